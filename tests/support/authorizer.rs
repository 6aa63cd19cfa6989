//! What web servers send to authorizers, and how they take the answers.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use super::Skip;
use super::guest_build::guest;
use super::http_client::{Client, Reply};
use super::process::Program;
use super::web_server::*;

/// What lighttpd says of a request to an authorizer.
pub(crate) fn about(path: &str) -> Vec<(&str, &str)> {
    let (_, query) = path.split_once('?').unwrap_or((path, ""));
    vec![
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", path),
        ("QUERY_STRING", query),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", "test.example"),
        ("HTTP_HOST", "test.example"),
    ]
}

/// An authorizer's request as Apache sends it, without a record of STDIN.
pub(crate) fn judge(id: u16, path: &str, keep_conn: bool) -> Vec<u8> {
    let mut bytes = begin(id, AUTHORIZER, keep_conn);
    bytes.extend(params(id, &about(path)));
    bytes
}

pub(crate) fn head(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.stdout).into_owned()
}

/// Whether lighttpd 1.4.69, the most lenient, would let the request pass: it does
/// if there is no head, no end of it, or 200 in it, said or not.
pub(crate) fn lets_pass(answer: &Answer) -> bool {
    let head = head(answer);
    let has_end = head.contains("\r\n\r\n");
    !has_end || !head.starts_with("Status: ") || head.starts_with("Status: 200")
}

#[track_caller]
pub(crate) fn check_refused(answer: &Answer, status: u16, cause: &str) {
    assert!(!lets_pass(answer), "{cause}: {answer:?}");
    assert_eq!(answer.status(), status, "{cause}");
    assert!(answer.log().contains(cause), "{cause}: {}", answer.log());
    assert!(
        !head(answer).to_lowercase().contains("variable-"),
        "{cause}"
    );
}

/// The authorizer that misbehaves by path.
pub(crate) fn roles(arguments: &[&str]) -> Result<Program, Skip> {
    Ok(Program::serve(&guest("naughty-roles")?, arguments))
}

/// What nobody may see who is not let pass.
pub(crate) const SECRET: &str = "the secret\n";

/// Limits that those requests soon break.
pub(crate) const LIMITS: &[&str] = &[
    "--cpu-time",
    "100ms",
    "--timeout",
    "300ms",
    "--memory",
    "16MiB",
];

/// Puts a secret where each of these paths leads.
pub(crate) fn hide(files: &Path, paths: &[&str]) {
    for path in paths {
        let file = files.join(path.trim_start_matches('/'));
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(file, SECRET).expect("written");
    }
}

#[track_caller]
pub(crate) fn check_kept_out(reply: &Reply, what: &str) {
    let status = reply.head.status;
    assert!(status >= 300, "{what}: {status} {:?}", reply.text());
    assert!(!reply.text().contains(SECRET.trim()), "{what}: {status}");
}

/// One GET with a field.
#[track_caller]
pub(crate) fn get_with<S: Read + Write>(client: &mut Client<S>, path: &str, field: &str) -> Reply {
    client.send(&format!(
        "GET {path} HTTP/1.1\r\nHost: test.example\r\n{field}\r\n\r\n"
    ));
    client.reply(false)
}
