//! A request's meta-variables (RFC 3875 §4.1), as the web server sent them.

use std::borrow::Cow;
use std::fmt;

/// Names and values in the order in which they came, in one allocation each
/// for bytes and places. Neither names nor values are promised to be UTF-8.
#[derive(Clone, Default)]
pub struct Params {
    bytes: Vec<u8>,
    places: Vec<Place>,
}

/// Where a pair stands: the name, and right behind it the value.
#[derive(Clone, Copy)]
struct Place {
    name: usize,
    value: usize,
    end: usize,
}

impl Params {
    /// None yet, with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            places: Vec::with_capacity(32),
        }
    }

    /// Adds a param, beside others of its name.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        self.places.push(Place {
            name: start,
            value: start + name.len(),
            end: self.bytes.len(),
        });
    }

    /// Makes `value` the only one of this name.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        let bytes = &self.bytes;
        self.places
            .retain(|place| &bytes[place.name..place.value] != name.as_bytes());
        self.push(name.as_bytes(), value);
    }

    /// The value of a param; the last one if there are several, because that
    /// is how web servers' configurations override (nginx sends both).
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        // A request asks for a dozen names among thirty: most lengths differ.
        let mut places = self.places.iter().rev();
        let is_it = |place: &&Place| {
            place.value - place.name == name.len()
                && &self.bytes[place.name..place.value] == name.as_bytes()
        };
        let place = places.find(is_it)?;
        Some(&self.bytes[place.value..place.end])
    }

    /// The value of a param as text, bytes that are not UTF-8 replaced.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(lossy)
    }

    /// How much memory they take.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.places.capacity() * size_of::<Place>()
    }

    /// All names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.places.iter().map(|place| self.pair(place))
    }

    fn pair(&self, place: &Place) -> (&[u8], &[u8]) {
        (
            &self.bytes[place.name..place.value],
            &self.bytes[place.value..place.end],
        )
    }
}

/// Bytes as text, those that are not UTF-8 replaced. What is text already, as
/// nearly everything is, is only looked through, some words at a time.
pub(crate) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut params = Self::default();
        for (name, value) in pairs {
            params.push(name.as_ref(), value.as_ref());
        }
        params
    }
}

/// Names only: values may be secrets, and this may end up in a log.
impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.iter().map(|(name, _)| String::from_utf8_lossy(name));
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conformance_08_the_last_of_a_name_wins() {
        let params: Params = [("A", "1"), ("B", "2"), ("A", "3")].into_iter().collect();
        assert_eq!(params.get("A"), Some(b"3".as_slice()));
        assert_eq!(params.get("C"), None);
        assert_eq!(params.iter().count(), 3);
    }

    #[test]
    fn set_replaces_all_of_a_name() {
        let mut params: Params = [("A", "1"), ("B", "2"), ("A", "3")].into_iter().collect();
        params.set("A", b"4");
        let pairs: Vec<_> = params.iter().collect();
        assert_eq!(pairs, [(b"B".as_slice(), b"2".as_slice()), (b"A", b"4")]);
    }

    #[test]
    fn conformance_94_values_do_not_show_in_debug_output() {
        let params: Params = [("HTTP_COOKIE", "secret")].into_iter().collect();
        assert_eq!(format!("{params:?}"), r#"["HTTP_COOKIE"]"#);
    }
}
