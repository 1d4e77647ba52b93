//! A value that must not be printed.

use std::fmt;

use zeroize::Zeroize;

/// Holds a secret: wiped when dropped, `[redacted]` in debug output, no `Display`, no serialisation.
///
/// [`Secret::expose`] is the only way to the value, so that every use can be found by its name.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes `value` into custody.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: Zeroize + Clone> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_redacted() {
        let secret = Secret::new("7G3K9QW2X".to_owned());
        assert_eq!(format!("{secret:?} {:#?}", Some(secret.clone())), "[redacted] Some(\n    [redacted],\n)");
        assert_eq!(secret.expose(), "7G3K9QW2X");
    }
}
