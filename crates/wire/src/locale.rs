//! Languages that messages are asked for in: BCP 47 tags, read once, and the choice among those there are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unic_langid::LanguageIdentifier;

/// Languages of one request that are looked at, at most.
pub const MAX_LOCALES: usize = 8;
/// Bytes of a hint, at most; browsers send a few dozen.
const MAX_HINT: usize = 1024;
/// Bytes of one tag, at most.
const MAX_TAG: usize = 64;

/// The tag of a language, perhaps with script, region and variants, in its canonical form: `de`, `zh-Hant`, `pt-BR`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Locale(LanguageIdentifier);

/// The text is no language tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotALocale;

impl fmt::Display for NotALocale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a language tag like de, pt-BR or zh-Hant")
    }
}

impl std::error::Error for NotALocale {}

impl FromStr for Locale {
    type Err = NotALocale;

    /// Reads a tag as BCP 47 has it. `_` passes for `-`, as operating systems write it; extensions (`-u-...`, `-x-...`) and
    /// what follows a `.` or an `@` are left out: they say nothing about the language.
    fn from_str(text: &str) -> Result<Self, NotALocale> {
        let text = text.trim();
        let text = text.split(['.', '@']).next().unwrap_or_default();
        if text.len() > MAX_TAG || !text.is_ascii() {
            return Err(NotALocale);
        }
        let subtags: Vec<&str> = text.split(['-', '_']).take_while(|subtag| subtag.len() != 1).collect();
        let id: LanguageIdentifier = subtags.join("-").parse().map_err(|_| NotALocale)?;
        if id.language.is_empty() {
            return Err(NotALocale);
        }
        Ok(Self(id))
    }
}

impl TryFrom<String> for Locale {
    type Error = NotALocale;

    fn try_from(text: String) -> Result<Self, NotALocale> {
        text.parse()
    }
}

impl From<Locale> for String {
    fn from(locale: Locale) -> Self {
        locale.to_string()
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Tags that are written otherwise today, or whose speakers read another language that there is more often.
const ALIASES: &[(&str, &str)] = &[
    ("iw", "he"),
    ("in", "id"),
    ("ji", "yi"),
    ("mo", "ro"),
    ("tl", "fil"),
    ("no", "nb"),
    ("nn", "nb"),
    ("cmn", "zh"),
    ("yue", "zh-Hant-HK"),
];

impl Locale {
    /// The tag with its likely script and region: `zh-TW` is `zh-Hant-TW`.
    fn likely(&self) -> LanguageIdentifier {
        let mut id = self.0.clone();
        let alias = ALIASES.iter().find(|(from, _)| *from == id.language.as_str());
        if let Some(alias) = alias.and_then(|(_, to)| to.parse::<LanguageIdentifier>().ok()) {
            id.language = alias.language;
            id.script = id.script.or(alias.script);
            id.region = id.region.or(alias.region);
        }
        id.maximize();
        id
    }

    /// How well somebody who asks for `self` is served by `offered`; `None`: not at all. Language and script must be the same.
    fn served_by(&self, offered: &Self) -> Option<u8> {
        let (wanted, there) = (self.likely(), offered.likely());
        if wanted.language != there.language || wanted.script != there.script {
            return None;
        }
        Some(if wanted.region == there.region {
            3
        } else if offered.0.region.is_none() {
            2
        } else {
            // Outside of Brazil the Portuguese of Portugal is nearer.
            u8::from(there.language.as_str() == "pt" && there.region.is_some_and(|r| r.as_str() == "PT"))
        })
    }
}

/// What serves the first of the `wanted` languages that anything serves: `de` serves who asks for `de-AT`, `zh-Hant` who asks for
/// `zh-HK`. Of what serves a language equally well, the first.
pub fn choose<'o, T>(wanted: &[Locale], offered: impl Iterator<Item = (&'o Locale, T)> + Clone) -> Option<T> {
    wanted.iter().find_map(|wanted| {
        let mut best: Option<(u8, T)> = None;
        for (locale, item) in offered.clone() {
            let fit = wanted.served_by(locale);
            if let Some(fit) = fit.filter(|fit| best.as_ref().is_none_or(|(best, _)| fit > best)) {
                best = Some((fit, item));
            }
        }
        best.map(|(_, item)| item)
    })
}

/// The languages of a hint, the most wanted first: one tag, or several as `Accept-Language` has them (RFC 9110, section
/// 12.5.4). What cannot be read is passed over: a hint must not cost a login.
pub fn preferences(hint: &str) -> Vec<Locale> {
    if hint.len() > MAX_HINT {
        return Vec::new();
    }
    let mut weighed: Vec<(u16, Locale)> = hint
        .split(',')
        .filter_map(|item| {
            let (tag, parameters) = item.split_once(';').unwrap_or((item, ""));
            let weight = weight(parameters).filter(|weight| *weight > 0)?;
            Some((weight, tag.parse().ok()?))
        })
        .collect();
    // Stable: of equal weight, the first.
    weighed.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    let mut locales: Vec<Locale> = Vec::new();
    for (_, locale) in weighed {
        if !locales.contains(&locale) {
            locales.push(locale);
        }
    }
    locales.truncate(MAX_LOCALES);
    locales
}

/// The weight in thousandths, 1000 where there is none.
fn weight(parameters: &str) -> Option<u16> {
    let parameters = parameters.trim();
    if parameters.is_empty() {
        return Some(1000);
    }
    let (name, value) = parameters.split_once('=')?;
    let value: f32 = value.trim().parse().ok()?;
    let known = name.trim().eq_ignore_ascii_case("q") && (0.0..=1.0).contains(&value);
    known.then_some((value * 1000.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locale(tag: &str) -> Locale {
        tag.parse().unwrap()
    }

    fn read(hint: &str) -> Vec<String> {
        preferences(hint).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_tag_is_read_in_the_spellings_of_browsers_and_operating_systems() {
        for (given, expected) in [
            ("de", "de"),
            ("DE-at", "de-AT"),
            ("pt_BR", "pt-BR"),
            ("zh_Hant_HK", "zh-Hant-HK"),
            ("en_US.UTF-8", "en-US"),
            ("en-US@posix", "en-US"),
            ("de-DE-u-co-phonebk", "de-DE"),
            ("es-419", "es-419"),
            (" fr ", "fr"),
        ] {
            assert_eq!(locale(given).to_string(), expected, "{given}");
        }
        for bad in ["", "*", "x-private", "und", "d", "de-", "123", "languages", "de\r\nx", "ä", "<b>"] {
            assert_eq!(bad.parse::<Locale>(), Err(NotALocale), "{bad:?}");
        }
    }

    #[test]
    fn a_hint_is_one_tag_or_a_list_by_weight() {
        assert_eq!(read("de"), ["de"]);
        assert_eq!(read("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5"), ["fr-CH", "fr", "en", "de"]);
        assert_eq!(read("en;q=0.2,de;q=0.8,ja;q=0"), ["de", "en"]);
        assert_eq!(read("de,de,en"), ["de", "en"]);
    }

    #[test]
    fn what_is_no_hint_is_passed_over() {
        for nothing in ["", "*", ",;,", "de;q=2", "de;q=x", "de;level=1", "<script>", &"de,".repeat(400)] {
            assert_eq!(read(nothing), Vec::<String>::new(), "{nothing}");
        }
        assert_eq!(read("<b>, de"), ["de"]);
        let many = read("aa,bb,cc,dd,ee,ff,gg,hh,ii,jj,kk");
        assert_eq!(many.len(), MAX_LOCALES);
    }

    #[test]
    fn the_nearest_of_what_there_is_serves_the_first_language_that_is_served() {
        let there = ["en", "de", "fr", "pt-BR", "pt-PT", "zh-Hans", "zh-Hant", "he", "nb", "sr", "id"];
        let offered: Vec<Locale> = there.iter().map(|tag| locale(tag)).collect();
        let chosen = |hint: &str| {
            let offered = offered.iter().map(|locale| (locale, locale.to_string()));
            choose(&preferences(hint), offered).unwrap_or_default()
        };
        for (wanted, expected) in [
            ("de-AT", "de"),
            ("de-CH-1996", "de"),
            ("en-GB", "en"),
            ("pt", "pt-BR"),
            ("pt-BR", "pt-BR"),
            ("pt-PT", "pt-PT"),
            ("pt-AO", "pt-PT"),
            ("zh", "zh-Hans"),
            ("zh-CN", "zh-Hans"),
            ("zh-SG", "zh-Hans"),
            ("zh-TW", "zh-Hant"),
            ("zh-HK", "zh-Hant"),
            ("zh-Hant-CN", "zh-Hant"),
            ("yue", "zh-Hant"),
            ("iw-IL", "he"),
            ("no", "nb"),
            ("nn-NO", "nb"),
            ("in", "id"),
            ("sr-Latn", ""),
            ("ja", ""),
            ("ja, fr-CA;q=0.5, en;q=0.4", "fr"),
        ] {
            assert_eq!(chosen(wanted), expected, "{wanted}");
        }
    }

    #[test]
    fn of_what_serves_equally_well_the_first_is_taken() {
        let offered = [(locale("de"), 1), (locale("de"), 2), (locale("de-AT"), 3)];
        let offered = offered.iter().map(|(locale, number)| (locale, *number));
        assert_eq!(choose(&[locale("de")], offered.clone()), Some(1));
        assert_eq!(choose(&[locale("de-AT")], offered.clone()), Some(3));
        assert_eq!(choose(&[locale("fr")], offered), None);
    }

    #[test]
    fn a_stored_tag_is_read_back() {
        let text = serde_json::to_string(&locale("zh_hant")).unwrap();
        assert_eq!(text, "\"zh-Hant\"");
        assert_eq!(serde_json::from_str::<Locale>(&text).unwrap(), locale("zh-Hant"));
        assert!(serde_json::from_str::<Locale>("\"*\"").is_err());
    }
}
