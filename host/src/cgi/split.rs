//! Where a path is split into SCRIPT_NAME and PATH_INFO, corrected where the web
//! server's own variables say that it is split wrongly.

use super::mount::normalised;
use super::target::{decode, decode_slashes, origin_form};
use crate::message::Params;

/// What Apache's mod_proxy_fcgi puts before the target of its `ProxyPass`.
const PROXIED: &[u8] = b"proxy:fcgi://";

/// Corrects SCRIPT_NAME and PATH_INFO (RFC 3875 §4.1.13, §4.1.5), which
/// together are the path that the client asked for, without saying anything of
/// what the operator means by it. What could be meant either way is left as it
/// is, and takes a [`Mount`](super::Mount).
///
/// - A PATH_INFO that is all of the URL's path leaves nothing for SCRIPT_NAME:
///   what is there is a script that no client wrote (a rewrite to `/app.fcgi`),
///   or the path for a second time.
/// - h2o takes a whole URL (RFC 9112 §3.2.2) for a path.
/// - mod_proxy_fcgi says the whole path in SCRIPT_NAME, and in SCRIPT_FILENAME
///   what it asks of us, which is PATH_INFO: the rest was mapped away.
pub fn correct_split(params: &mut Params) {
    let Some(path) = params.get("REQUEST_URI").map(path_of) else {
        return;
    };
    let get = |name| params.get(name).unwrap_or_default();
    let (script_name, path_info) = (get("SCRIPT_NAME"), get("PATH_INFO"));
    let is_asked_for =
        |candidate: &[u8]| normalised(&decode_slashes(candidate)) == normalised(&path);
    if let Some(inner) = proxied_path(get("SCRIPT_FILENAME"))
        && is_asked_for(script_name)
        && (path_info.is_empty() || path_info == inner)
        && params.get("PATH_INFO").is_none_or(|info| !info.is_empty())
    {
        let whole = decode_slashes(script_name);
        // Encoded anew from what has its encoded slashes still, or not.
        let inner = decode_slashes(&decode(inner));
        let mount = whole.strip_suffix(inner.as_slice());
        // The root of a mount is asked for as `/`, whatever the client wrote.
        let mount = mount.or_else(|| (inner == b"/").then_some(whole.as_slice()));
        if let Some(mount) = mount {
            let (mount, path_info) = whole.split_at(mount.len());
            params.set("SCRIPT_NAME", mount);
            params.set("PATH_INFO", path_info);
        }
        return;
    }
    if params.get("REQUEST_URI").is_some_and(is_absolute)
        && path_info.strip_prefix(b"/").is_some_and(is_absolute)
        && script_name.is_empty()
    {
        params.set("PATH_INFO", &path);
        return;
    }
    let both = [script_name, path_info].concat();
    if !script_name.is_empty()
        && path_info.starts_with(b"/")
        && is_asked_for(path_info)
        && !is_asked_for(&both)
    {
        params.set("SCRIPT_NAME", b"");
    }
}

/// The path of a REQUEST_URI, decoded.
fn path_of(uri: &[u8]) -> Vec<u8> {
    let raw = origin_form(uri).split(|&byte| byte == b'?').next();
    decode(raw.unwrap_or_default()).into_owned()
}

/// Whether this is a URL with its scheme.
fn is_absolute(uri: &[u8]) -> bool {
    uri.starts_with(b"http://") || uri.starts_with(b"https://")
}

/// The path in the target of a `ProxyPass`, percent-encoded: what follows the
/// worker's host.
fn proxied_path(script_filename: &[u8]) -> Option<&[u8]> {
    let target = script_filename.strip_prefix(PROXIED)?;
    let slash = target.iter().position(|&byte| byte == b'/')?;
    Some(&target[slash..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&str, &str)], script_name: &str, path_info: &str) {
        let mut params: Params = pairs.iter().copied().collect();
        correct_split(&mut params);
        let get = |name| params.text(name).unwrap_or_default().into_owned();
        let split = (get("SCRIPT_NAME"), get("PATH_INFO"));
        assert_eq!(split, (script_name.into(), path_info.into()), "{pairs:?}");
    }

    #[test]
    fn conformance_35_what_mod_proxy_fcgi_maps_away_is_the_mount() {
        for (uri, script_name, filename, mount, path_info) in [
            // ProxyPass "/app" "…|fcgi://app"
            ("/app/x%20y", "/app/x y", "app/x%20y", "/app", "/x y"),
            ("/app/a%2Fb", "/app/a%2Fb", "app/a%2Fb", "/app", "/a/b"),
            ("/app/a%2Fb", "/app/a%2Fb", "app/a%252Fb", "/app", "/a/b"),
            ("/app", "/app", "app/", "/app", ""),
            ("/app/", "/app/", "app/", "/app", "/"),
            // ProxyPass "/app/" "fcgi://127.0.0.1:9000/"
            ("/app/x?q", "/app/x", "127.0.0.1:9000/x", "/app", "/x"),
            // ProxyPass "/" "…|fcgi://app/"
            ("/x/y", "/x/y", "app/x/y", "", "/x/y"),
            ("/", "/", "app/", "", "/"),
        ] {
            let filename = format!("proxy:fcgi://{filename}");
            let params = [
                ("REQUEST_URI", uri),
                ("SCRIPT_NAME", script_name),
                ("SCRIPT_FILENAME", &filename),
            ];
            check(&params, mount, path_info);
            // `proxy-fcgi-pathinfo=1` says it once more, still encoded.
            let inner = filename
                .split_once("//")
                .and_then(|(_, rest)| rest.split_once('/'));
            let inner = format!("/{}", inner.expect("a path").1);
            let twice = [params[0], params[1], params[2], ("PATH_INFO", &inner)];
            check(&twice, mount, path_info);
        }
    }

    #[test]
    fn conformance_35_a_script_that_no_client_wrote_is_dropped() {
        let rewritten = [
            ("REQUEST_URI", "/foo%20bar/a%2Fb?q=1"),
            ("SCRIPT_NAME", "/root.fcgi"),
            ("PATH_INFO", "/foo bar/a/b"),
        ];
        check(&rewritten, "", "/foo bar/a/b");
        // nginx with fastcgi_params and PATH_INFO, but no SCRIPT_NAME of its own.
        let twice = [
            ("REQUEST_URI", "/x/y"),
            ("SCRIPT_NAME", "/x/y"),
            ("PATH_INFO", "/x/y"),
        ];
        check(&twice, "", "/x/y");
    }

    #[test]
    fn conformance_33_a_whole_url_is_no_path() {
        let of_h2o = [
            ("REQUEST_URI", "http://other.example:99/a%20b?q"),
            ("SCRIPT_NAME", ""),
            ("PATH_INFO", "/http://other.example:99/a b"),
        ];
        check(&of_h2o, "", "/a b");
        let meant = [
            ("REQUEST_URI", "/http://other.example/x"),
            ("PATH_INFO", "/http://other.example/x"),
        ];
        check(&meant, "", "/http://other.example/x");
    }

    #[test]
    fn conformance_35_what_could_be_meant_stays() {
        for (uri, script_name, path_info) in [
            ("/app/x", "/app", "/x"),
            ("/app//x/../y", "/app", "/y"),
            ("/foo/foo", "/foo", "/foo"),
            ("/app", "/app", ""),
            // lighttpd at the root, or a mount at /p.
            ("/p/x", "/p", "/x"),
            // nginx's auth_request: the outer URL, the inner script.
            ("/private", "/authz", ""),
            ("/", "/authz", ""),
            ("/a/b", "", "/b"),
        ] {
            let params = [
                ("REQUEST_URI", uri),
                ("SCRIPT_NAME", script_name),
                ("PATH_INFO", path_info),
            ];
            check(&params, script_name, path_info);
        }
        check(&[("SCRIPT_NAME", "/a"), ("PATH_INFO", "/a")], "/a", "/a");
    }

    #[test]
    fn conformance_35_a_good_split_of_apache_stays() {
        let of_recipe = [
            ("REQUEST_URI", "/foo/foo"),
            ("SCRIPT_NAME", "/foo"),
            ("PATH_INFO", "/foo"),
            ("SCRIPT_FILENAME", "proxy:fcgi://app/foo"),
        ];
        check(&of_recipe, "/foo", "/foo");
        let at_its_root = [
            ("REQUEST_URI", "/app"),
            ("SCRIPT_NAME", "/app"),
            ("PATH_INFO", ""),
            ("SCRIPT_FILENAME", "proxy:fcgi://app/app"),
        ];
        check(&at_its_root, "/app", "");
        // SetHandler with a script on disk.
        let on_disk = [
            ("REQUEST_URI", "/app.fcgi"),
            ("SCRIPT_NAME", "/app.fcgi"),
            (
                "SCRIPT_FILENAME",
                "proxy:fcgi://localhost//srv/www/run.fcgi",
            ),
        ];
        check(&on_disk, "/app.fcgi", "");
    }
}
