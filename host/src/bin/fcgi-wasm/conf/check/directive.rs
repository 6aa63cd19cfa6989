//! Configuration files as trees of directives, each form by the few rules that
//! tell its words apart.

use anyhow::{Result, bail};

/// How deep blocks may be nested: no configuration is, and a damaged file must
/// not be taken for one.
const DEPTH_MAX: usize = 64;

/// A directive: its words, and what is in its block if it has one.
#[derive(Debug, Default)]
pub(super) struct Directive {
    pub(super) line: usize,
    pub(super) words: Vec<String>,
    pub(super) children: Vec<Self>,
}

impl Directive {
    pub(super) fn is(&self, name: &str) -> bool {
        self.words
            .first()
            .is_some_and(|word| word.eq_ignore_ascii_case(name))
    }

    /// The word at a place, the name being the first; empty if there is none.
    pub(super) fn word(&self, index: usize) -> &str {
        self.words.get(index).map_or("", String::as_str)
    }

    /// Whether it is for the `.wasm` files of document roots, by a pattern: those
    /// are asked for as PHP scripts are.
    pub(super) fn is_for_files(&self) -> bool {
        let is_pattern = |word: &String| word.contains("\\.wasm") || word.contains("*.wasm");
        self.words.iter().any(is_pattern)
    }
}

/// All directives of a tree, outer ones first.
pub(super) fn all(tree: &[Directive]) -> Vec<&Directive> {
    let mut found = Vec::new();
    let mut rest: Vec<_> = tree.iter().rev().collect();
    while let Some(directive) = rest.pop() {
        found.push(directive);
        rest.extend(directive.children.iter().rev());
    }
    found
}

/// The open blocks while a file is read.
struct Tree {
    open: Vec<Directive>,
}

impl Tree {
    fn new() -> Self {
        Self {
            open: vec![Directive::default()],
        }
    }

    fn add(&mut self, directive: Directive) {
        if let Some(block) = self.open.last_mut() {
            block.children.push(directive);
        }
    }

    fn enter(&mut self, directive: Directive) -> Result<()> {
        if self.open.len() > DEPTH_MAX {
            bail!("line {}: blocks in blocks without an end", directive.line);
        }
        self.open.push(directive);
        Ok(())
    }

    fn leave(&mut self, line: usize) -> Result<()> {
        match self.open.pop() {
            Some(block) if !self.open.is_empty() => self.add(block),
            _ => bail!("line {line}: a block ends here that did not begin"),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Directive>> {
        match (self.open.pop(), self.open.is_empty()) {
            (Some(root), true) => Ok(root.children),
            (block, _) => bail!(
                "line {}: its block does not end",
                block.map_or(0, |b| b.line)
            ),
        }
    }
}

/// What ends a directive that has no block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// nginx.
    Semicolon,
    /// Caddy.
    Line,
}

/// Blocks in braces, quotes, comments from `#` at the start of a word.
pub(super) fn braces(text: &str, end: End) -> Result<Vec<Directive>> {
    let mut tree = Tree::new();
    let mut current = Directive::default();
    let mut letters = text.chars().peekable();
    let mut line = 1;
    while let Some(letter) = letters.next() {
        match letter {
            '\n' => {
                line += 1;
                if end == End::Line && !current.words.is_empty() {
                    tree.add(std::mem::take(&mut current));
                }
            }
            _ if letter.is_whitespace() => {}
            '#' => while letters.next_if(|&next| next != '\n').is_some() {},
            ';' if end == End::Semicolon => tree.add(std::mem::take(&mut current)),
            // `{name}` is a placeholder in Caddy, where a block's brace stands alone.
            '{' if end == End::Semicolon
                || letters.peek().is_none_or(|next| next.is_whitespace()) =>
            {
                current.line = if current.words.is_empty() {
                    line
                } else {
                    current.line
                };
                tree.enter(std::mem::take(&mut current))?;
            }
            '}' => {
                if !current.words.is_empty() {
                    tree.add(std::mem::take(&mut current));
                }
                tree.leave(line)?;
            }
            _ => {
                if current.words.is_empty() {
                    current.line = line;
                }
                let mut word = String::new();
                if matches!(letter, '"' | '\'' | '`') {
                    while let Some(next) = letters.next().filter(|&next| next != letter) {
                        line += usize::from(next == '\n');
                        // Of escapes only that of the quote itself is one here.
                        match (next, letters.peek()) {
                            ('\\', Some(&quote)) if quote == letter => {
                                word.extend(letters.next());
                            }
                            _ => word.push(next),
                        }
                    }
                } else {
                    word.push(letter);
                    while let Some(next) = letters.next_if(|&next| match next {
                        ';' => end == End::Line,
                        // `${name}` is a variable in nginx, and no block.
                        '{' => end == End::Line || word.ends_with('$'),
                        _ => !next.is_whitespace(),
                    }) {
                        word.push(next);
                        // A variable's ${name} is no block.
                        if next == '$' && letters.next_if_eq(&'{').is_some() {
                            word.push('{');
                        }
                    }
                }
                current.words.push(word);
            }
        }
    }
    if !current.words.is_empty() {
        tree.add(current);
    }
    tree.finish()
}

/// A directive a line, `<Section …>` around others: Apache.
pub(super) fn tags(text: &str) -> Result<Vec<Directive>> {
    let mut tree = Tree::new();
    for (line, content) in logical_lines(text) {
        if content.starts_with("</") {
            tree.leave(line)?;
        } else if let Some(tag) = content.strip_prefix('<') {
            let words = words(tag.trim_end().trim_end_matches('>'));
            tree.enter(Directive {
                line,
                words,
                children: Vec::new(),
            })?;
        } else {
            tree.add(Directive {
                line,
                words: words(&content),
                children: Vec::new(),
            });
        }
    }
    tree.finish()
}

/// The words that begin a section of HAProxy's.
const SECTIONS: &[&str] = &[
    "global",
    "defaults",
    "frontend",
    "backend",
    "listen",
    "fcgi-app",
    "resolvers",
    "peers",
    "cache",
    "userlist",
    "program",
    "mailers",
    "http-errors",
    "ring",
    "crt-store",
    "traces",
];

/// Sections that last until the next one: HAProxy.
pub(super) fn sections(text: &str) -> Result<Vec<Directive>> {
    let mut sections: Vec<Directive> = Vec::new();
    for (line, content) in logical_lines(text) {
        let mut words = words(&content);
        if let Some(comment) = words.iter().position(|word| word.starts_with('#')) {
            words.truncate(comment);
        }
        let directive = Directive {
            line,
            words,
            children: Vec::new(),
        };
        match sections.last_mut() {
            Some(section) if !SECTIONS.contains(&directive.word(0)) => {
                section.children.push(directive);
            }
            _ => sections.push(directive),
        }
    }
    Ok(sections)
}

/// Lines without comments and empty ones; a backslash at the end joins the
/// next.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (index, line) in text.lines().enumerate() {
        let content = line.trim();
        let (content, next) = match content.strip_suffix('\\') {
            Some(content) => (content, true),
            None => (content, false),
        };
        match lines.last_mut() {
            Some((_, last)) if goes_on => last.push_str(content),
            _ if content.is_empty() || content.starts_with('#') => {}
            _ => lines.push((index + 1, content.to_owned())),
        }
        goes_on = next;
    }
    lines
}

/// Words between blanks, with quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut word = String::new();
        match letter {
            _ if letter.is_whitespace() => continue,
            '"' | '\'' => {
                while let Some(next) = letters.next().filter(|&next| next != letter) {
                    word.push(next);
                }
            }
            _ => {
                word.push(letter);
                while let Some(next) = letters.next_if(|next| !next.is_whitespace()) {
                    word.push(next);
                }
            }
        }
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nginx_has_semicolons_quotes_comments_and_variables_in_braces() {
        let text = "a \"x ; {\" 'y\\'z'; # no;\nb ${v}/w {\n c;\n}\n";
        let tree = braces(text, End::Semicolon).expect("a tree");
        assert_eq!(tree[0].words, ["a", "x ; {", "y'z"]);
        assert_eq!((tree[1].line, tree[1].word(0)), (2, "b"));
        assert_eq!(
            (tree[1].children[0].line, tree[1].children[0].word(0)),
            (3, "c")
        );
    }

    #[test]
    fn caddy_has_lines() {
        let text = "x.org {\n a {b}\n c {\n  d\n }\n}\n";
        let tree = braces(text, End::Line).expect("a tree");
        let names: Vec<_> = all(&tree)
            .iter()
            .map(|one| one.word(0).to_owned())
            .collect();
        assert_eq!(names, ["x.org", "a", "c", "d"]);
    }

    #[test]
    fn apache_has_tags_and_haproxy_sections() {
        let tree = tags("A \"b c\" \\\n d\n<L \"/x\">\n E\n</L>\n").expect("a tree");
        assert_eq!(tree[0].words, ["A", "b c", "d"]);
        assert_eq!((tree[1].word(1), tree[1].children[0].line), ("/x", 4));
        let tree = sections("global\n a # b\nbackend x\n c\n").expect("a tree");
        assert_eq!((tree.len(), tree[0].children[0].words.len()), (2, 1));
    }

    #[test]
    fn what_is_no_tree_is_told_by_its_line() {
        for (text, line) in [("a {\n", "line 1"), ("a;\n}\n", "line 2")] {
            let error = braces(text, End::Semicolon).expect_err("no tree");
            assert!(error.to_string().starts_with(line), "{error}");
        }
        assert!(braces(&"a {".repeat(1000), End::Semicolon).is_err());
        assert!(tags("</L>").is_err());
    }
}
