//! A filter that makes pages of Markdown files: the web server sends the file, the visitor gets
//! HTML.

use fcgi_wasm_sdk::http::header::{ALLOW, ETAG, IF_NONE_MATCH};
use fcgi_wasm_sdk::prelude::*;
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

#[filter]
fn page(request: Request, file: Source) -> Result<Response> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let fields = [(ALLOW, "GET, HEAD")];
        return (StatusCode::METHOD_NOT_ALLOWED, fields, ()).into_response();
    }
    // The file itself need not be read to know that the visitor has this page.
    let tag = format!("\"{:x}-{:x}\"", file.last_modified_seconds(), file.length());
    let known = request.headers().get_all(IF_NONE_MATCH).into_iter();
    let mut known = known.filter_map(|value| value.to_str().ok());
    if known.any(|tags| tags.split(',').any(|known| known.trim() == tag)) {
        return (StatusCode::NOT_MODIFIED, [(ETAG, tag)], ()).into_response();
    }
    let page = render(&file.text()?);
    (StatusCode::OK, [(ETAG, tag)], Html(page)).into_response()
}

/// The Markdown as a page, whose title is its first heading.
fn render(text: &str) -> String {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH;
    let events: Vec<_> = Parser::new_ext(text, options).collect();
    let mut title = String::new();
    push_escaped(&heading(&events), &mut title);
    let mut body = String::new();
    html::push_html(&mut body, events.into_iter());
    format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n{body}"
    )
}

fn heading(events: &[Event<'_>]) -> String {
    let is_start = |event: &Event<'_>| {
        matches!(
            event,
            Event::Start(Tag::Heading {
                level: HeadingLevel::H1,
                ..
            })
        )
    };
    let inside = events.iter().skip_while(|event| !is_start(event));
    let inside = inside.take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
    inside
        .filter_map(|event| match event {
            Event::Text(text) | Event::Code(text) => Some(text.as_ref()),
            _ => None,
        })
        .collect()
}

fn push_escaped(text: &str, into: &mut String) {
    for character in text.chars() {
        match character {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            other => into.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use fcgi_wasm_sdk::testing;

    const TEXT: &str =
        "# Notes & *more* on `<p>`\n\nSome **text**.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n";

    fn file() -> Source {
        Source::new(TEXT, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn markdown_becomes_a_page() -> Result<()> {
        let response = testing::filter(page, Request::get("/x.md").body(())?, file());
        assert_eq!(
            response.headers()["content-type"],
            "text/html; charset=utf-8"
        );
        let text = String::from_utf8_lossy(response.body());
        for part in [
            "<title>Notes &amp; more on &lt;p></title>",
            "<p>Some <strong>text</strong>.</p>",
            "<td>1</td><td>2</td>",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        Ok(())
    }

    #[test]
    fn a_page_that_is_known_is_not_sent_again() -> Result<()> {
        let response = testing::filter(page, Request::get("/x.md").body(())?, file());
        let tag = response.headers()[ETAG].clone();
        let again = Request::get("/x.md").header(IF_NONE_MATCH, tag).body(())?;
        let again = testing::filter(page, again, file());
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.body(), "");
        Ok(())
    }

    #[test]
    fn only_reading_is_allowed() -> Result<()> {
        let response = testing::filter(page, Request::post("/x.md").body("x")?, file());
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        Ok(())
    }
}
