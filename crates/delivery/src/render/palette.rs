//! The colours of the built-in HTML, light and dark.

/// Colours as CSS has them, `#rrggbb`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Palette {
    /// Behind everything.
    pub(super) page: &'static str,
    /// Behind the message.
    pub(super) card: &'static str,
    pub(super) text: &'static str,
    /// Text of less weight.
    pub(super) quiet: &'static str,
    /// Behind the code, whose text is `text`.
    pub(super) field: &'static str,
    pub(super) button: &'static str,
    pub(super) button_text: &'static str,
}

pub(super) const LIGHT: Palette = Palette {
    page: "#f3f4f6",
    card: "#ffffff",
    text: "#111827",
    quiet: "#4b5563",
    field: "#f3f4f6",
    button: "#1f2937",
    button_text: "#ffffff",
};

pub(super) const DARK: Palette = Palette {
    page: "#111827",
    card: "#1f2937",
    text: "#f9fafb",
    quiet: "#d1d5db",
    field: "#111827",
    button: "#f9fafb",
    button_text: "#111827",
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Relative luminance (WCAG 2.2).
    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn contrast_is_computed_as_the_guidelines_have_it() {
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9);
        assert!((contrast("#777777", "#ffffff") - 4.478).abs() < 1e-3);
    }

    /// WCAG 2.2, 1.4.6 (AAA): 7 to 1.
    #[test]
    fn every_text_has_a_contrast_of_seven_to_one_in_light_and_dark() {
        for palette in [LIGHT, DARK] {
            let Palette { page, card, text, quiet, field, button, button_text } = palette;
            for (front, back) in
                [(text, card), (quiet, card), (text, field), (button_text, button), (text, page)]
            {
                assert!(contrast(front, back) >= 7.0, "{front} on {back}: {}", contrast(front, back));
            }
            // A control can be told from what is around it (1.4.11): 3 to 1.
            assert!(contrast(button, card) >= 3.0);
        }
    }

    /// A reader that forces light backgrounds upon dark texts, or the reverse, changes pairs; a text must not vanish then.
    #[test]
    fn no_text_has_the_colour_of_a_background_it_stands_on() {
        for Palette { page, card, text, quiet, field, button, button_text } in [LIGHT, DARK] {
            for back in [page, card, field] {
                assert!(text != back && quiet != back);
            }
            assert_ne!(button, button_text);
        }
    }

    #[test]
    fn the_html_has_no_colour_beside_these() {
        let colours = |palette: Palette| {
            let Palette { page, card, text, quiet, field, button, button_text } = palette;
            [page, card, text, quiet, field, button, button_text]
        };
        let known: BTreeSet<&str> = colours(LIGHT).into_iter().chain(colours(DARK)).collect();
        for html in super::super::html::tests::samples() {
            for (at, _) in html.match_indices('#') {
                let colour: String =
                    html[at..].chars().take(7).take_while(|c| *c == '#' || c.is_ascii_hexdigit()).collect();
                assert!(colour == "#" || known.contains(colour.as_str()), "{colour}");
            }
            assert!(!html.contains("rgb(") && !html.contains("hsl("));
        }
    }
}
