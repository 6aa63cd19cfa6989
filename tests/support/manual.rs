//! The configurations that the manual shows, for the tests to run: so what it
//! says can not be wrong for long.

/// The page of the web servers.
const PAGE: &str = include_str!("../../host/docs/web-servers.md");

/// The page of document roots.
const HOSTING: &str = include_str!("../../host/docs/hosting.md");

/// The block of this web server under this name.
pub(crate) fn block(server: &str, name: &str) -> &'static str {
    block_of(PAGE, server, name)
}

/// The block for document roots.
pub(crate) fn block_for_documents() -> &'static str {
    block_of(HOSTING, "nginx", "documents")
}

fn block_of(page: &'static str, server: &str, name: &str) -> &'static str {
    let start = format!("\n```{server} {name}\n");
    let after = page.split_once(&start);
    let (_, after) = after.unwrap_or_else(|| panic!("the manual has no {start:?}"));
    let end = after.find("\n```\n").expect("an end of it");
    &after[..=end]
}

/// All blocks, as their web servers and names.
pub(crate) fn blocks() -> Vec<(&'static str, &'static str)> {
    let lines = PAGE.lines().filter_map(|line| line.strip_prefix("```"));
    lines.filter_map(|line| line.split_once(' ')).collect()
}
