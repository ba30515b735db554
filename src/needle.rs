//! A text that is looked for again and again: what makes the search fast is made once.
//!
//! It knows nothing of where it is looked for.

use std::sync::OnceLock;

use memchr::memmem::Finder;

/// See the module.
#[derive(Debug)]
pub(crate) struct Needle {
    text: &'static str,
    finder: OnceLock<Finder<'static>>,
}

impl Needle {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, finder: OnceLock::new() }
    }

    pub(crate) fn is_in(&self, haystack: &[u8]) -> bool {
        self.find(haystack).is_some()
    }

    pub(crate) fn find(&self, haystack: &[u8]) -> Option<usize> {
        self.finder.get_or_init(|| Finder::new(self.text)).find(haystack)
    }
}

#[cfg(test)]
mod tests {
    use super::Needle;

    #[test]
    fn it_is_found_wherever_it_is() {
        static NEEDLE: Needle = Needle::new("é\"");
        for (text, at) in
            [("é\"", Some(0)), ("a".repeat(300).as_str(), None), ("xé\"é\"", Some(1)), ("", None)]
        {
            assert_eq!(NEEDLE.find(text.as_bytes()), at, "{text}");
            assert_eq!(NEEDLE.is_in(text.as_bytes()), at.is_some(), "{text}");
        }
    }
}
