//! What web servers take of a response's head, unless they are told otherwise.

use http::HeaderMap;

/// A web server, and the heads that it refuses by default.
#[derive(Debug)]
pub struct WebServer {
    /// Its name, as its SERVER_SOFTWARE begins (RFC 3875 §4.1.17).
    pub name: &'static str,
    /// The longest head, bytes.
    pub head_bytes_max: Option<usize>,
    /// The longest line of a head, bytes.
    pub field_bytes_max: Option<usize>,
    /// The most fields of a head.
    pub fields_max: Option<usize>,
    /// What to do where larger heads are wanted.
    pub cure: &'static str,
}

/// Those whose limits were measured, by bisection with the releases of Debian
/// 12: nginx 1.22, Apache 2.4.71, lighttpd 1.4.69, Caddy 2.6, HAProxy 2.6.
pub const WEB_SERVERS: &[WebServer] = &[
    WebServer {
        name: "nginx",
        // One page of memory, less the record's header and one byte.
        head_bytes_max: Some(4087),
        field_bytes_max: None,
        fields_max: None,
        cure: "set fastcgi_buffer_size there (`fcgi-wasm conf nginx` shows all of it)",
    },
    WebServer {
        name: "Apache",
        head_bytes_max: None,
        field_bytes_max: Some(8191),
        fields_max: None,
        cure: "nothing can be set there: send shorter fields",
    },
    WebServer {
        name: "lighttpd",
        head_bytes_max: Some(65_535),
        field_bytes_max: None,
        fields_max: None,
        cure: "nothing can be set there: send less",
    },
    WebServer {
        name: "Caddy",
        head_bytes_max: None,
        field_bytes_max: None,
        fields_max: None,
        cure: "",
    },
    WebServer {
        name: "HAProxy",
        // tune.bufsize less tune.maxrewrite, and what each field takes there.
        head_bytes_max: Some(15_000),
        field_bytes_max: None,
        fields_max: Some(99),
        cure: "set tune.bufsize and tune.http.maxhdr there",
    },
];

impl WebServer {
    /// The web server that calls itself so, if it is one of [`WEB_SERVERS`].
    pub fn of(software: &[u8]) -> Option<&'static Self> {
        WEB_SERVERS
            .iter()
            .find(|server| software.starts_with(server.name.as_bytes()))
    }

    /// Why it refuses a head of so many bytes with these fields, unless it is
    /// told otherwise; `None` if it takes it.
    pub fn refusal(&self, head_bytes: usize, headers: &HeaderMap) -> Option<String> {
        let Self { name, cure, .. } = self;
        if let Some(most) = self.head_bytes_max.filter(|&most| head_bytes > most) {
            return Some(format!(
                "{name} refuses heads over {most} bytes and this has {head_bytes}, {}; {cure}",
                largest(headers)
            ));
        }
        let longest = headers.iter().map(|(name, value)| line_bytes(name, value));
        let longest = longest.max().unwrap_or_default();
        if let Some(most) = self.field_bytes_max.filter(|&most| longest > most) {
            return Some(format!(
                "{name} refuses heads with a line over {most} bytes and this has one of \
                 {longest}, {}; {cure}",
                largest(headers)
            ));
        }
        let fields = headers.len();
        self.fields_max.filter(|&most| fields > most).map(|most| {
            format!("{name} refuses heads of over {most} fields and this has {fields}; {cure}")
        })
    }
}

/// A field's line, with its colon, space and line end.
fn line_bytes(name: &http::HeaderName, value: &http::HeaderValue) -> usize {
    name.as_str().len() + 2 + value.len() + 2
}

/// The largest field of a head, in words.
pub(super) fn largest(headers: &HeaderMap) -> String {
    let largest = headers.iter().max_by_key(|(_, value)| value.len());
    match largest {
        Some((name, value)) => format!("the largest field is {name} with {} bytes", value.len()),
        None => "it has no fields".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn refused_by(fields: usize, value_bytes: usize, head_bytes: usize) -> Vec<&'static str> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(&"v".repeat(value_bytes)).expect("a value");
        for _ in 0..fields {
            headers.append("x-big", value.clone());
        }
        let refusing = |server: &&WebServer| server.refusal(head_bytes, &headers).is_some();
        let servers = WEB_SERVERS.iter().filter(refusing);
        servers.map(|server| server.name).collect()
    }

    #[test]
    fn each_refuses_what_it_was_seen_to_refuse() {
        assert_eq!(refused_by(1, 100, 4087), Vec::<&str>::new());
        assert_eq!(refused_by(2, 2040, 4088), ["nginx"]);
        assert_eq!(refused_by(1, 8182, 8300), ["nginx"]);
        assert_eq!(refused_by(1, 8183, 8301), ["nginx", "Apache"]);
        assert_eq!(refused_by(2, 8000, 16_100), ["nginx", "HAProxy"]);
        assert_eq!(refused_by(100, 1, 1100), ["HAProxy"]);
        assert_eq!(
            refused_by(9, 8000, 72_100),
            ["nginx", "lighttpd", "HAProxy"]
        );
    }

    #[test]
    fn a_refusal_names_size_and_largest_field() {
        let mut headers = HeaderMap::new();
        headers.append("x-small", HeaderValue::from_static("1"));
        let cookie = HeaderValue::from_str(&"c".repeat(5000)).expect("a value");
        headers.append("set-cookie", cookie);
        let nginx = WebServer::of(b"nginx/1.22.1").expect("known");
        let sentence = nginx.refusal(5050, &headers).expect("refused");
        for part in ["over 4087", "has 5050", "set-cookie with 5000 bytes"] {
            assert!(sentence.contains(part), "{sentence}");
        }
        assert!(WebServer::of(b"Cherokee/1.2.104 (UNIX)").is_none());
        assert!(WebServer::of(b"HAProxy 2.6.12-1+deb12u4").is_some());
    }
}
