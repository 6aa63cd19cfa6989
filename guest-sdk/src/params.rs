//! What the web server says about a request, beside what the client said.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;

/// The params of a request: what the *web server* says of it.
///
/// A client cannot set them: what it sends are the request's headers, and nothing stands in
/// both. Which there are is up to the web server's configuration.
///
/// They are in the request's [extensions](http::Request::extensions), where axum finds them as
/// `Extension<Params>`; [`RequestExt`](crate::RequestExt) gets at them from the request. The host
/// is asked for a param when it is first used, and for all of them when they are listed. A clone
/// shares what was asked.
///
/// Tests make their own:
///
/// ```
/// use fcgi_wasm_sdk::Params;
///
/// let params = Params::from_iter([("SCRIPT_NAME", "/app"), ("HTTPS", "on")]);
/// assert_eq!(params.get("SCRIPT_NAME"), Some("/app"));
/// assert!(params.is_https());
/// ```
#[derive(Clone, Debug)]
pub struct Params(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    /// Texts that were asked for one by one.
    texts: Mutex<Vec<Text>>,
    /// All of them, once they were asked for.
    all: OnceLock<Vec<Param>>,
}

/// Who knows the params. One text is some tens of times cheaper to ask for than all params.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    pub(crate) one: fn(&str) -> Option<String>,
    pub(crate) all: fn() -> Vec<(String, Vec<u8>)>,
}

/// The answer to one question. It lives as long as the instance, which serves one request, so
/// that it can be lent out while others are asked for.
#[derive(Clone, Copy, Debug)]
struct Text {
    name: &'static str,
    text: Option<&'static str>,
}

#[derive(Debug)]
struct Param {
    name: String,
    text: String,
    /// The value as it came, where the text is not the same.
    raw: Option<Vec<u8>>,
}

impl Params {
    /// One param as text, with what is not UTF-8 replaced by `U+FFFD`; the last of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.0.all.get() {
            Some(_) => self.last(name).map(|param| param.text.as_str()),
            None => self.ask(name),
        }
    }

    /// One param as it came; the last of that name.
    pub fn get_bytes(&self, name: &str) -> Option<&[u8]> {
        self.last(name).map(Param::bytes)
    }

    /// All names and values as they came, in the web server's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.all()
            .iter()
            .map(|param| (param.name.as_str(), param.bytes()))
    }

    /// `SCRIPT_NAME`: the path under which the app is mounted; empty at the root.
    pub fn script_name(&self) -> &str {
        self.get("SCRIPT_NAME").unwrap_or_default()
    }

    /// `PATH_INFO`: the path below [`script_name`](Self::script_name), decoded. Some
    /// configurations of web servers leave it empty and put the whole path into `SCRIPT_NAME`.
    pub fn path_info(&self) -> &str {
        self.get("PATH_INFO").unwrap_or_default()
    }

    /// `REMOTE_ADDR`: who is connected to the web server, perhaps a proxy.
    ///
    /// An IPv4 address is one even where the web server says `::ffff:192.0.2.1`. `None` if it
    /// is unknown, or no address, such as the `unix:` of a local socket.
    pub fn remote_addr(&self) -> Option<IpAddr> {
        let text = self.get("REMOTE_ADDR")?;
        // The zone (`fe80::1%eth0`) names an interface of the web server's machine.
        let address = text.split('%').next()?;
        Some(address.parse::<IpAddr>().ok()?.to_canonical())
    }

    /// `REMOTE_USER`: whom the web server has authenticated; never empty.
    pub fn remote_user(&self) -> Option<&str> {
        self.get("REMOTE_USER").filter(|user| !user.is_empty())
    }

    /// Whether the client's connection to the web server is encrypted: `HTTPS` is `on`, `1` or
    /// `https`, or `REQUEST_SCHEME` is `https`.
    pub fn is_https(&self) -> bool {
        let is_one_of = |name, accepted: &[&str]| {
            self.get(name)
                .is_some_and(|value| accepted.iter().any(|it| value.eq_ignore_ascii_case(it)))
        };
        is_one_of("HTTPS", &["on", "1", "https"]) || is_one_of("REQUEST_SCHEME", &["https"])
    }

    /// Params that `ask` gives when they are first used.
    #[cfg(any(target_family = "wasm", test))]
    pub(crate) fn lazy(source: Source) -> Self {
        Self(Arc::new(Inner {
            source,
            texts: Mutex::default(),
            all: OnceLock::new(),
        }))
    }

    /// The params of a request that has none.
    pub(crate) fn none() -> &'static Self {
        static NONE: LazyLock<Params> =
            LazyLock::new(|| std::iter::empty::<(&str, &str)>().collect());
        &NONE
    }

    fn last(&self, name: &str) -> Option<&Param> {
        self.all().iter().rfind(|param| param.name == name)
    }

    fn ask(&self, name: &str) -> Option<&'static str> {
        let texts = &self.0.texts;
        let mut texts = texts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = texts.iter().find(|known| known.name == name) {
            return known.text;
        }
        let text = (self.0.source.one)(name);
        let asked = Text {
            name: name.to_owned().leak(),
            text: text.map(|text| &*text.leak()),
        };
        texts.push(asked);
        asked.text
    }

    fn all(&self) -> &[Param] {
        let Inner { source, all, .. } = &*self.0;
        all.get_or_init(|| (source.all)().into_iter().map(Param::from).collect())
    }
}

impl<N: Into<String>, V: Into<Vec<u8>>> FromIterator<(N, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let params = pairs
            .into_iter()
            .map(|(name, value)| Param::from((name.into(), value.into())))
            .collect::<Vec<_>>();
        Self(Arc::new(Inner {
            source: Source {
                one: |_| None,
                all: Vec::new,
            },
            texts: Mutex::default(),
            all: params.into(),
        }))
    }
}

impl Param {
    fn bytes(&self) -> &[u8] {
        self.raw.as_deref().unwrap_or(self.text.as_bytes())
    }
}

impl From<(String, Vec<u8>)> for Param {
    fn from((name, value): (String, Vec<u8>)) -> Self {
        let (text, raw) = match String::from_utf8(value) {
            Ok(text) => (text, None),
            Err(error) => {
                let raw = error.into_bytes();
                (String::from_utf8_lossy(&raw).into_owned(), Some(raw))
            }
        };
        Self { name, text, raw }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        pairs.iter().copied().collect()
    }

    #[test]
    fn the_last_of_a_name_counts_and_all_are_there() {
        let params = params(&[("A", "1"), ("B", ""), ("A", "2")]);
        assert_eq!(params.get("A"), Some("2"));
        assert_eq!(params.get("B"), Some(""));
        assert_eq!(params.get("a"), None);
        let all = params.iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(all, ["A", "B", "A"]);
    }

    #[test]
    fn values_need_not_be_utf_8() {
        let params = Params::from_iter([("PATH_INFO", b"/Zo\xEB".to_vec())]);
        assert_eq!(params.path_info(), "/Zo\u{FFFD}");
        assert_eq!(params.get_bytes("PATH_INFO"), Some(&b"/Zo\xEB"[..]));
        let mut all = params.iter();
        assert_eq!(all.next(), Some(("PATH_INFO", &b"/Zo\xEB"[..])));
    }

    #[test]
    fn https_is_said_in_several_ways() {
        let check = |pairs: &[(&str, &str)], expected| {
            assert_eq!(params(pairs).is_https(), expected, "{pairs:?}");
        };
        check(&[], false);
        check(&[("HTTPS", "")], false);
        check(&[("HTTPS", "off")], false);
        check(&[("HTTPS", "0")], false);
        check(&[("HTTPS", "on")], true);
        check(&[("HTTPS", "ON")], true);
        check(&[("HTTPS", "1")], true);
        check(&[("HTTPS", "https")], true);
        check(&[("REQUEST_SCHEME", "http")], false);
        check(&[("REQUEST_SCHEME", "https")], true);
        check(&[("HTTPS", ""), ("REQUEST_SCHEME", "https")], true);
    }

    #[test]
    fn remote_addresses_are_addresses() {
        let check = |remote_addr: &str, expected: Option<&str>| {
            let found = params(&[("REMOTE_ADDR", remote_addr)]).remote_addr();
            let expected = expected.map(|address| address.parse::<IpAddr>().unwrap());
            assert_eq!(found, expected, "{remote_addr}");
        };
        check("192.0.2.1", Some("192.0.2.1"));
        check("2001:db8::1", Some("2001:db8::1"));
        check("::ffff:192.0.2.1", Some("192.0.2.1"));
        check("fe80::1%eth0", Some("fe80::1"));
        check("unix:", None);
        check("", None);
        check("192.0.2.1:80", None);
        assert_eq!(params(&[]).remote_addr(), None);
    }

    #[test]
    fn an_empty_user_is_none() {
        assert_eq!(params(&[("REMOTE_USER", "")]).remote_user(), None);
        assert_eq!(params(&[("REMOTE_USER", "ada")]).remote_user(), Some("ada"));
    }

    #[test]
    fn the_host_is_asked_once_and_only_for_what_is_needed() {
        use std::cell::RefCell;
        thread_local!(static ASKED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) });
        let asked = || ASKED.take().join(" ");
        let params = Params::lazy(Source {
            one: |name| {
                ASKED.with_borrow_mut(|asked| asked.push(name.to_owned()));
                (name == "A").then(|| "1".to_owned())
            },
            all: || {
                ASKED.with_borrow_mut(|asked| asked.push("all".to_owned()));
                vec![("A".into(), b"1".to_vec())]
            },
        });
        let clone = params.clone();
        assert_eq!(asked(), "");
        assert_eq!((clone.get("A"), params.get("A")), (Some("1"), Some("1")));
        assert_eq!((params.get("B"), params.get("B")), (None, None));
        assert_eq!(asked(), "A B");
        assert_eq!(params.iter().count(), 1);
        assert_eq!(params.get_bytes("A"), Some(&b"1"[..]));
        assert_eq!((params.get("A"), params.get("C")), (Some("1"), None));
        assert_eq!(asked(), "all");
    }
}
