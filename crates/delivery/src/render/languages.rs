//! The languages of the built-in messages.
//!
//! Promise: every language says everything that English says, or the tests fail; a value never changes how the text around it
//! is laid out; the code stands in every text as it was made.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unicode_bidi::{BidiClass, bidi_class};
use vestibule_wire::{Locale, choose};

use crate::template::minutes;

/// First strong isolate: Fluent puts it before each value, and the next one after it.
pub(super) const FSI: char = '\u{2068}';
pub(super) const PDI: char = '\u{2069}';
/// Left-to-right mark.
const LRM: char = '\u{200e}';

/// Which way a language is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From left to right.
    LeftToRight,
    /// From right to left.
    RightToLeft,
}

impl Direction {
    /// As HTML has it: `ltr` or `rtl`.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::LeftToRight => "ltr",
            Self::RightToLeft => "rtl",
        }
    }
}

/// A language of the built-in messages.
#[derive(Debug)]
pub struct Language {
    /// BCP 47.
    pub tag: &'static str,
    /// Its name in English.
    pub name: &'static str,
    /// Its name in itself.
    pub own_name: &'static str,
    /// Whether somebody who speaks it as a mother tongue has read the texts as they are now.
    pub reviewed: bool,
    /// Which way it is written.
    pub direction: Direction,
    /// Its digits from zero to nine, where they are others than ours.
    digits: Option<&'static str>,
    source: &'static str,
}

macro_rules! languages {
    ($($tag:literal $name:literal $own:literal $direction:ident $reviewed:literal $digits:expr;)*) => {
        /// Every language there is, English first, then by tag.
        pub const LANGUAGES: &[Language] = &[$(Language {
            tag: $tag,
            name: $name,
            own_name: $own,
            reviewed: $reviewed,
            direction: Direction::$direction,
            digits: $digits,
            source: include_str!(concat!("locales/", $tag, ".ftl")),
        },)*];
    };
}

languages! {
    "en" "English" "English" LeftToRight true None;
    "ar" "Arabic" "العربية" RightToLeft false Some("٠١٢٣٤٥٦٧٨٩");
    "bn" "Bengali" "বাংলা" LeftToRight false Some("০১২৩৪৫৬৭৮৯");
    "cs" "Czech" "čeština" LeftToRight false None;
    "da" "Danish" "dansk" LeftToRight false None;
    "de" "German" "Deutsch" LeftToRight false None;
    "el" "Greek" "Ελληνικά" LeftToRight false None;
    "es" "Spanish" "español" LeftToRight false None;
    "fa" "Persian" "فارسی" RightToLeft false Some("۰۱۲۳۴۵۶۷۸۹");
    "fi" "Finnish" "suomi" LeftToRight false None;
    "fr" "French" "français" LeftToRight false None;
    "he" "Hebrew" "עברית" RightToLeft false None;
    "hi" "Hindi" "हिन्दी" LeftToRight false None;
    "hu" "Hungarian" "magyar" LeftToRight false None;
    "id" "Indonesian" "Indonesia" LeftToRight false None;
    "it" "Italian" "italiano" LeftToRight false None;
    "ja" "Japanese" "日本語" LeftToRight false None;
    "ko" "Korean" "한국어" LeftToRight false None;
    "nb" "Norwegian" "norsk bokmål" LeftToRight false None;
    "nl" "Dutch" "Nederlands" LeftToRight false None;
    "pl" "Polish" "polski" LeftToRight false None;
    "pt-BR" "Portuguese (Brazil)" "português (Brasil)" LeftToRight false None;
    "pt-PT" "Portuguese (Portugal)" "português (Portugal)" LeftToRight false None;
    "ro" "Romanian" "română" LeftToRight false None;
    "ru" "Russian" "русский" LeftToRight false None;
    "sv" "Swedish" "svenska" LeftToRight false None;
    "th" "Thai" "ไทย" LeftToRight false None;
    "tr" "Turkish" "Türkçe" LeftToRight false None;
    "uk" "Ukrainian" "українська" LeftToRight false None;
    "ur" "Urdu" "اردو" RightToLeft false None;
    "vi" "Vietnamese" "Tiếng Việt" LeftToRight false None;
    "zh-Hans" "Chinese (simplified)" "简体中文" LeftToRight false None;
    "zh-Hant" "Chinese (traditional)" "繁體中文" LeftToRight false None;
}

struct Loaded {
    locale: Locale,
    bundle: FluentBundle<FluentResource>,
}

/// In the order of [`LANGUAGES`].
static LOADED: LazyLock<Vec<Loaded>> = LazyLock::new(|| LANGUAGES.iter().map(load).collect());

/// A language whose file has a fault keeps what can be read of it; English stands in for the rest.
fn load(language: &Language) -> Loaded {
    let locale: Locale = language.tag.parse().expect("the table has language tags");
    let id = language.tag.parse().expect("the table has language tags");
    let resource =
        FluentResource::try_new(language.source.to_owned()).unwrap_or_else(|(resource, _)| resource);
    let mut bundle = FluentBundle::new_concurrent(vec![id]);
    let _ = bundle.add_resource(resource);
    Loaded { locale, bundle }
}

/// One language's texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Texts {
    index: usize,
}

/// English.
impl Default for Texts {
    fn default() -> Self {
        Self { index: 0 }
    }
}

/// The values of a text. What a text does not name may be empty.
#[derive(Clone, Copy, Default)]
pub(super) struct Said<'a> {
    /// On one line, without control characters.
    pub(super) app: &'a str,
    pub(super) code: &'a str,
    pub(super) lifetime: &'a str,
}

impl Texts {
    /// The language that serves the first of these that is served by any, else English.
    pub fn choose(locales: &[Locale]) -> Self {
        let offered = LOADED.iter().enumerate().map(|(index, loaded)| (&loaded.locale, Self { index }));
        choose(locales, offered).unwrap_or_default()
    }

    /// Those of all languages.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..LANGUAGES.len()).map(|index| Self { index })
    }

    /// Which language it is.
    pub fn language(self) -> &'static Language {
        &LANGUAGES[self.index]
    }

    fn right_to_left(self) -> bool {
        self.language().direction == Direction::RightToLeft
    }

    /// A text, with isolates (U+2068, U+2069) around the values that are written against the text's direction.
    pub(super) fn say(self, id: &str, said: Said<'_>) -> String {
        let Said { app, code, lifetime } = said;
        let mut arguments = FluentArgs::new();
        for (name, value) in [("app", app), ("code", code), ("lifetime", lifetime)] {
            arguments.set(name, value);
        }
        settled(&self.format(id, &arguments), self.right_to_left(), code)
    }

    /// The text `id`, or `id-unnamed` where the app has no name.
    pub(super) fn named(self, id: &str, said: Said<'_>) -> String {
        if said.app.is_empty() { self.say(&format!("{id}-unnamed"), said) } else { self.say(id, said) }
    }

    /// In minutes up to two hours, hours up to two days, and days; rounded up, as the minutes of templates are.
    pub(super) fn lifetime(self, seconds: u32) -> String {
        let minutes = minutes(seconds);
        let (id, number) = match minutes {
            0..=120 => ("minutes", minutes),
            121..=2880 => ("hours", minutes.div_ceil(60)),
            _ => ("days", minutes.div_ceil(1440)),
        };
        let mut arguments = FluentArgs::new();
        arguments.set("number", number);
        let text = self.format(id, &arguments);
        let digits = self.language().digits.map(|digits| digits.chars().collect::<Vec<_>>());
        let localized = |c: char| {
            let digit = c.to_digit(10).filter(|_| c.is_ascii());
            digit.and_then(|digit| digits.as_ref()?.get(digit as usize).copied()).unwrap_or(c)
        };
        text.chars().filter(|c| ![FSI, PDI].contains(c)).map(localized).collect()
    }

    fn format(self, id: &str, arguments: &FluentArgs<'_>) -> String {
        try_format(self.index, id, arguments)
            .or_else(|| try_format(Self::default().index, id, arguments))
            .unwrap_or_default()
    }
}

fn try_format(index: usize, id: &str, arguments: &FluentArgs<'_>) -> Option<String> {
    let bundle = &LOADED.get(index)?.bundle;
    let pattern = bundle.get_message(id)?.value()?;
    let mut errors = Vec::new();
    let text = bundle.format_pattern(pattern, Some(arguments), &mut errors).into_owned();
    errors.is_empty().then_some(text)
}

/// Leaves the isolates that Fluent puts around every value only where they change something: each costs a character of an SMS, and
/// two of its segments. A code in a text from right to left follows a mark instead, so that even a program that knows no isolates does not
/// tear its first digits off, and nothing stands behind it that could be copied with it.
fn settled(text: &str, right_to_left: bool, code: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(FSI) {
        out.push_str(before);
        let (value, behind) = after.split_once(PDI).unwrap_or((after, ""));
        if value == code && !code.is_empty() {
            if right_to_left {
                out.push(LRM);
            }
            out.push_str(value);
        } else if value.chars().any(|c| against(c, right_to_left)) {
            out.extend([FSI]);
            out.push_str(value);
            out.push(PDI);
        } else {
            out.push_str(value);
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Whether a character is written in the other direction than the text.
fn against(c: char, right_to_left: bool) -> bool {
    match bidi_class(c) {
        BidiClass::L => right_to_left,
        BidiClass::R | BidiClass::AL => !right_to_left,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fluent_bundle::FluentError;

    use super::*;

    const SAID: Said<'_> = Said { app: "Shop", code: "7G3K9QW2X", lifetime: "LIFETIME" };
    const LIFETIMES: &[&str] = &["minutes", "hours", "days"];

    /// The names of the messages in a file.
    fn ids(source: &str) -> BTreeSet<&str> {
        let heads = source.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
        heads.filter_map(|line| Some(line.split_once(" =")?.0)).collect()
    }

    #[test]
    fn there_are_more_than_twenty_languages_and_english_alone_is_called_reviewed() {
        assert!(LANGUAGES.len() > 20, "{}", LANGUAGES.len());
        let tags: Vec<&str> = LANGUAGES.iter().map(|language| language.tag).collect();
        assert_eq!(tags[0], "en");
        assert!(tags[1..].is_sorted(), "{tags:?}");
        let reviewed: Vec<&str> = LANGUAGES.iter().filter(|l| l.reviewed).map(|l| l.tag).collect();
        assert_eq!(reviewed, ["en"]);
    }

    #[test]
    fn every_file_is_a_language_of_the_table_and_has_no_fault() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/render/locales");
        let mut files: Vec<String> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let mut expected: Vec<String> = LANGUAGES.iter().map(|l| format!("{}.ftl", l.tag)).collect();
        expected.sort();
        assert_eq!(files, expected);
        for language in LANGUAGES {
            let parsed = FluentResource::try_new(language.source.to_owned());
            assert!(parsed.is_ok(), "{}: {:?}", language.tag, parsed.err().map(|(_, errors)| errors));
            assert_eq!(ids(language.source), ids(LANGUAGES[0].source), "{}", language.tag);
        }
    }

    /// What a text would say, with every error.
    fn told(index: usize, id: &str, arguments: &FluentArgs<'_>) -> (String, Vec<FluentError>) {
        let bundle = &LOADED[index].bundle;
        let pattern = bundle.get_message(id).unwrap().value().unwrap();
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern, Some(arguments), &mut errors).into_owned();
        (text, errors)
    }

    #[test]
    fn every_language_names_the_same_values_as_english_in_every_text() {
        let mut arguments = FluentArgs::new();
        for (name, value) in [("app", "<app>"), ("code", "<code>"), ("lifetime", "<lifetime>")] {
            arguments.set(name, value);
        }
        let named = |text: &str| ["<app>", "<code>", "<lifetime>"].map(|value| text.matches(value).count());
        for id in ids(LANGUAGES[0].source).into_iter().filter(|id| !LIFETIMES.contains(id)) {
            let (english, _) = told(0, id, &arguments);
            for (index, language) in LANGUAGES.iter().enumerate() {
                let (text, errors) = told(index, id, &arguments);
                assert!(errors.is_empty(), "{} {id}: {errors:?}", language.tag);
                assert_eq!(named(&text), named(&english), "{} {id}: {text}", language.tag);
                let depth = text.chars().try_fold(0_u32, |depth, c| match c {
                    FSI if depth == 0 => Some(1),
                    PDI => depth.checked_sub(1),
                    FSI => None,
                    _ => Some(depth),
                });
                assert_eq!(depth, Some(0), "{} {id}: isolates do not nest: {text:?}", language.tag);
            }
        }
    }

    #[test]
    fn every_number_of_minutes_hours_and_days_has_its_form() {
        for (index, language) in LANGUAGES.iter().enumerate() {
            for id in LIFETIMES {
                for number in 1_u32..=130 {
                    let mut arguments = FluentArgs::new();
                    arguments.set("number", number);
                    let (text, errors) = told(index, id, &arguments);
                    assert!(errors.is_empty(), "{} {id} {number}: {errors:?}", language.tag);
                    // A language may have words for one and two.
                    assert!(number <= 2 || text.contains(&number.to_string()), "{} {text}", language.tag);
                }
            }
        }
        let texts = |tag: &str| Texts::choose(&[tag.parse().unwrap()]);
        for (tag, seconds, told) in [
            ("en", 30, "1 minute"),
            ("en", 61, "2 minutes"),
            ("en", 7200, "120 minutes"),
            ("en", 7201, "3 hours"),
            ("en", 172_801, "3 days"),
            ("pl", 60, "1 minutę"),
            ("pl", 180, "3 minuty"),
            ("pl", 300, "5 minut"),
            ("pl", 22 * 60, "22 minuty"),
            ("ru", 21 * 60, "21 минуту"),
            ("ru", 11 * 60, "11 минут"),
            ("cs", 120, "2 minuty"),
            ("ro", 20 * 60, "20 de minute"),
            ("ar", 60, "دقيقة واحدة"),
            ("ar", 120, "دقيقتين"),
            ("ar", 300, "٥ دقائق"),
            ("ar", 900, "١٥ دقيقة"),
            ("fa", 600, "۱۰ دقیقه"),
            ("bn", 300, "৫ মিনিট"),
            ("he", 120, "שתי דקות"),
            ("hi", 300, "5 मिनट"),
            ("ja", 300, "5分間"),
            ("de", 30 * 86_400, "30 Tage"),
        ] {
            assert_eq!(texts(tag).lifetime(seconds), told, "{tag} {seconds}");
        }
    }

    #[test]
    fn the_first_language_that_there_is_is_chosen_else_english() {
        let chosen = |hint: &str| Texts::choose(&vestibule_wire::preferences(hint)).language().tag;
        for (hint, tag) in [
            ("de-AT", "de"),
            ("tlh, fr-CA", "fr"),
            ("pt", "pt-BR"),
            ("pt-MZ", "pt-PT"),
            ("zh-TW", "zh-Hant"),
            ("zh", "zh-Hans"),
            ("no", "nb"),
            ("iw", "he"),
            ("sw", "en"),
            ("", "en"),
        ] {
            assert_eq!(chosen(hint), tag, "{hint}");
        }
    }

    #[test]
    fn directions_are_those_of_the_scripts() {
        for (texts, language) in Texts::all().zip(LANGUAGES) {
            let first = texts
                .say("code-warning", SAID)
                .chars()
                .map(bidi_class)
                .find(|class| matches!(class, BidiClass::L | BidiClass::R | BidiClass::AL));
            let expected = match first {
                Some(BidiClass::L) => Direction::LeftToRight,
                _ => Direction::RightToLeft,
            };
            assert_eq!(language.direction, expected, "{}", language.tag);
            if let Some(digits) = language.digits {
                assert_eq!(digits.chars().count(), 10);
            }
        }
    }

    /// A message whose first strong character is of its language is laid out right where nobody says which way it goes: in
    /// an SMS, a subject and a notification.
    #[test]
    fn texts_from_right_to_left_begin_with_their_own_script() {
        for texts in Texts::all().filter(|texts| texts.right_to_left()) {
            for id in [
                "sms",
                "sms-full",
                "sms-unnamed",
                "code-subject",
                "code-subject-unnamed",
                "code-text",
                "login-subject",
                "recovery-subject",
            ] {
                let text = texts.say(id, SAID);
                let mut outside = String::new();
                let mut isolated = false;
                for c in text.chars() {
                    match c {
                        FSI => isolated = true,
                        PDI => isolated = false,
                        _ if !isolated => outside.push(c),
                        _ => {}
                    }
                }
                let first = outside
                    .chars()
                    .map(bidi_class)
                    .find(|class| matches!(class, BidiClass::L | BidiClass::R | BidiClass::AL));
                assert!(
                    matches!(first, Some(BidiClass::R | BidiClass::AL)),
                    "{} {id}: {text}",
                    texts.language().tag
                );
            }
        }
    }

    #[test]
    fn values_are_isolated_only_where_they_run_against_the_text() {
        let texts = |tag: &str| Texts::choose(&[tag.parse().unwrap()]);
        let said = |app| Said { app, ..SAID };
        assert_eq!(texts("en").say("sms", said("Shop")), "Shop: your code is 7G3K9QW2X");
        assert_eq!(texts("en").say("sms", said("חנות")), "\u{2068}חנות\u{2069}: your code is 7G3K9QW2X");
        assert_eq!(texts("he").say("sms", said("חנות")), "הקוד שלך עבור חנות: \u{200e}7G3K9QW2X");
        assert_eq!(
            texts("he").say("sms", said("Shop")),
            "הקוד שלך עבור \u{2068}Shop\u{2069}: \u{200e}7G3K9QW2X"
        );
        assert_eq!(texts("ar").say("sms", said("١٢")), "رمز ١٢: \u{200e}7G3K9QW2X");
    }
}
