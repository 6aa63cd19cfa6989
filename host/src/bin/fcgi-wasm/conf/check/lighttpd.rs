//! The mistakes of lighttpd's configurations, and what there is of its
//! language: values, and lists of them with keys.

use std::iter::Peekable;
use std::vec::IntoIter;

use super::findings::Check;
use super::place::Address;

/// How deep lists may be nested; `fastcgi.server` has three.
const DEPTH_MAX: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Text(String),
    Word(String),
    /// One of `( ) , = => +=` and what else there is.
    Mark(String),
}

#[derive(Debug)]
enum Value {
    Text(String),
    /// Each entry with its key and line.
    List(Vec<(String, usize, Self)>),
}

type Tokens = Peekable<IntoIter<(usize, Token)>>;

pub(super) fn check(check: &mut Check, text: &str) {
    let mut tokens = tokens(text).into_iter().peekable();
    let (mut modules, mut is_whole, mut first) = (Vec::new(), false, None);
    while let Some((line, token)) = tokens.next() {
        let Token::Word(name) = token else {
            continue;
        };
        let assigns = |token: &(usize, Token)| matches!(&token.1, Token::Mark(mark) if matches!(mark.as_str(), "=" | "+=" | ":="));
        if tokens.next_if(assigns).is_none() {
            continue;
        }
        let value = value(&mut tokens, 0);
        match (name.as_str(), value) {
            ("server.document-root", _) => is_whole = true,
            ("server.modules", Some(Value::List(list))) => {
                let names = list.into_iter().filter_map(|(_, _, value)| value.text());
                modules.extend(names);
            }
            ("fastcgi.server", Some(Value::List(list))) => {
                first.get_or_insert(line);
                for (extension, line, hosts) in list {
                    check_extension(check, &extension, line, &hosts);
                }
            }
            _ => {}
        }
    }
    if let Some(line) =
        first.filter(|_| is_whole && !modules.iter().any(|name| name == "mod_fastcgi"))
    {
        let what = "mod_fastcgi is not among server.modules";
        let seen = "404 for every path of the application";
        check.mistake(line, what, seen, "server.modules += ( \"mod_fastcgi\" )");
    }
}

fn check_extension(check: &mut Check, extension: &str, line: usize, hosts: &Value) {
    let Value::List(hosts) = hosts else {
        return;
    };
    for (_, host_line, host) in hosts {
        let Value::List(host) = host else {
            continue;
        };
        let line = if *host_line > 0 { *host_line } else { line };
        check.places += 1;
        check_host(check, extension, line, host);
    }
}

fn check_host(check: &mut Check, extension: &str, line: usize, host: &[(String, usize, Value)]) {
    let find = |name: &str| host.iter().find(|(key, _, _)| key == name);
    let text = |name: &str| match find(name) {
        Some((_, _, Value::Text(text))) => Some(text.as_str()),
        _ => None,
    };
    let line_of = |name: &str| find(name).map_or(line, |(_, line, _)| *line);
    // Files of document roots are asked for as those of PHP are.
    let is_for_files = extension == ".wasm";
    if !is_for_files && text("check-local") != Some("disable") {
        let what = "check-local: lighttpd looks for a file of that name first";
        let seen = "404 from lighttpd for every path of the application";
        check.mistake(
            line_of("check-local"),
            what,
            seen,
            "\"check-local\" => \"disable\",",
        );
    }
    if extension == "/" && text("fix-root-scriptname") != Some("enable") {
        let what = "at \"/\" lighttpd takes the first segment of each path for the script";
        let seen = "paths without their first segment (unless serve has --mount /)";
        let cure = "\"fix-root-scriptname\" => \"enable\",";
        check.mistake(line_of("fix-root-scriptname"), what, seen, cure);
    }
    if extension.starts_with('.') && !is_for_files {
        let what =
            format!("\"{extension}\" passes on files of that kind only: it is how PHP is asked");
        let seen = "404 from lighttpd for all other paths";
        check.mistake(line, &what, seen, "\"/app\" => ((");
    }
    let address = match (text("socket"), text("host"), text("port")) {
        // With bin-path lighttpd starts the server itself, when it starts.
        _ if find("bin-path").is_some() => return,
        (Some(path), _, _) => Address::Unix(path.into()),
        (None, Some(host), Some(port)) => Address::Tcp(format!("{host}:{port}")),
        _ => return,
    };
    let named = if matches!(address, Address::Unix(_)) {
        "socket"
    } else {
        "host"
    };
    check.address(line_of(named), &address);
}

impl Value {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::List(_) => None,
        }
    }
}

/// A value: a text or word, or a list in parentheses.
fn value(tokens: &mut Tokens, depth: usize) -> Option<Value> {
    match tokens.next()?.1 {
        Token::Text(text) | Token::Word(text) => Some(Value::Text(text)),
        Token::Mark(mark) if mark == "(" && depth < DEPTH_MAX => {
            let mut entries = Vec::new();
            loop {
                let (line, next) = tokens.peek()?.clone();
                match next {
                    Token::Mark(mark) if mark == ")" => {
                        tokens.next();
                        return Some(Value::List(entries));
                    }
                    Token::Mark(mark) if mark != "(" => {
                        tokens.next();
                    }
                    _ => {
                        let first = value(tokens, depth + 1)?;
                        let is_arrow =
                            |token: &(usize, Token)| token.1 == Token::Mark("=>".to_owned());
                        match (first, tokens.next_if(is_arrow)) {
                            (Value::Text(key), Some(_)) => {
                                entries.push((key, line, value(tokens, depth + 1)?));
                            }
                            (first, _) => entries.push((String::new(), line, first)),
                        }
                    }
                }
            }
        }
        Token::Mark(_) => None,
    }
}

fn tokens(text: &str) -> Vec<(usize, Token)> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    let mut line = 1;
    while let Some(letter) = letters.next() {
        match letter {
            '\n' => line += 1,
            _ if letter.is_whitespace() => {}
            '#' => while letters.next_if(|&next| next != '\n').is_some() {},
            '"' | '\'' => {
                let mut word = String::new();
                let began = line;
                while let Some(next) = letters.next().filter(|&next| next != letter) {
                    line += usize::from(next == '\n');
                    word.push(next);
                }
                tokens.push((began, Token::Text(word)));
            }
            _ if letter.is_alphanumeric() => {
                let mut word = String::from(letter);
                let goes_on =
                    |next: &char| next.is_alphanumeric() || matches!(next, '.' | '-' | '_');
                while let Some(next) = letters.next_if(goes_on) {
                    word.push(next);
                }
                tokens.push((line, Token::Word(word)));
            }
            _ => {
                let mut mark = String::from(letter);
                let joins = match letter {
                    '=' => ">=~",
                    '+' | ':' | '!' => "=~",
                    _ => "",
                };
                if let Some(next) = letters.next_if(|&next| joins.contains(next)) {
                    mark.push(next);
                }
                tokens.push((line, Token::Mark(mark)));
            }
        }
    }
    tokens
}
