//! `fcgi-wasm new`: a small project that builds, tests and serves.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::args::{Language, New};

/// A file of a project: where it lies, and what is in it.
type File = (&'static str, &'static str);

macro_rules! template {
    ($path:literal, $source:literal) => {
        ($path, include_str!(concat!("../../../templates/", $source)))
    };
}

const RUST: &[File] = &[
    template!("Cargo.toml", "rust/Cargo.toml.in"),
    template!("src/lib.rs", "rust/lib.rs"),
];

const PYTHON: &[File] = &[
    template!("Makefile", "python/Makefile"),
    template!("app.py", "python/app.py"),
    template!("requirements.txt", "python/requirements.txt"),
    template!("test_app.py", "python/test_app.py"),
];

const JAVASCRIPT: &[File] = &[
    template!("Makefile", "javascript/Makefile"),
    template!("app.js", "javascript/app.js"),
    template!("app.test.js", "javascript/app.test.js"),
    template!("main.js", "javascript/main.js"),
    template!("package.json", "javascript/package.json"),
    (
        "wit/app.wit",
        include_str!("../../../../guest-sdk/wit/app.wit"),
    ),
];

const GO: &[File] = &[
    template!("Makefile", "go/Makefile"),
    template!("go.mod", "go/go.mod.in"),
    template!("main.go", "go/main.go"),
    template!("main_test.go", "go/main_test.go"),
];

const C: &[File] = &[
    template!("Makefile", "c/Makefile"),
    template!("app.c", "c/app.c"),
    template!("test.sh", "c/test.sh"),
];

const GITIGNORE: File = template!(".gitignore", "gitignore");

pub(crate) fn run(args: &New) -> Result<ExitCode> {
    let name = name(&args.folder)?;
    let files = match args.lang {
        Language::Rust => RUST,
        Language::Python => PYTHON,
        Language::Javascript => JAVASCRIPT,
        Language::Go => GO,
        Language::C => C,
    };
    let folder = args.folder.display();
    if fs::read_dir(&args.folder).is_ok_and(|mut files| files.next().is_some()) {
        bail!("{folder} is not empty: name a new folder");
    }
    for (path, template) in [files, &[GITIGNORE]].concat() {
        let text = template
            .replace("{name}", &name)
            .replace("{rust_sdk}", &rust_sdk())
            .replace("{python_sdk}", &python_sdk());
        write(&args.folder.join(path), &text)?;
    }
    let (build, test, app) = match args.lang {
        Language::Rust => {
            let app = format!(
                "target/wasm32-wasip2/release/{}.wasm",
                name.replace('-', "_")
            );
            let build = "cargo build --release --target wasm32-wasip2";
            (build, "cargo test", app)
        }
        _ => ("make", "make test", "build/app.wasm".to_owned()),
    };
    writeln!(
        io::stdout(),
        "{folder} is ready. Next:\n\n    cd {folder} && {build}\n    {test}\n    fcgi-wasm serve \
         {app} --http 127.0.0.1:8080"
    )?;
    Ok(ExitCode::SUCCESS)
}

/// The project's name, which is its folder's: a name in every language.
fn name(folder: &Path) -> Result<String> {
    let name = folder.file_name().and_then(|name| name.to_str());
    let name = name.with_context(|| format!("{} is no name for a folder", folder.display()))?;
    let is_plain = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !is_plain || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        bail!("{name:?} is no project's name: begin with a letter, then a-z, 0-9 and -");
    }
    Ok(name.to_owned())
}

fn write(path: &Path, text: &str) -> Result<()> {
    let shown = path.display();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {shown}"))
}

/// Where projects get the SDKs from: a checkout, if this program was built in
/// one that is still there, else the registries.
const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-sdk");

fn rust_sdk() -> String {
    match fs::canonicalize(CHECKOUT) {
        Ok(folder) => format!("{{ path = {:?} }}", folder.display().to_string()),
        Err(_) => format!("{:?}", env!("CARGO_PKG_VERSION")),
    }
}

fn python_sdk() -> String {
    match fs::canonicalize(CHECKOUT) {
        Ok(folder) => folder.join("python").display().to_string(),
        Err(_) => format!("fcgi-wasm=={}", env!("CARGO_PKG_VERSION")),
    }
}
