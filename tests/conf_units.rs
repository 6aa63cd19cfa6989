//! `fcgi-wasm conf systemd`: systemd takes the units that are printed.

use std::fs;

use crate::conf::{CASES, printed, test};
use crate::support::process::run;
use crate::support::{Outcome, Skip};

tests![
    systemd_takes_the_units,
    systemd_takes_the_units_for_a_configuration,
];

fn systemd_takes_the_units() -> Outcome {
    for case in CASES {
        assert_eq!(verify(&printed("systemd", case))?, 2);
    }
    Ok(())
}

/// Has systemd look at printed units; how many there are.
fn verify(text: &str) -> Result<usize, Skip> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = Vec::new();
    for unit in text.split("# ---- /etc/systemd/system/").skip(1) {
        let (name, unit) = unit.split_once('\n').expect("a name");
        let file = folder.path().join(name);
        fs::write(&file, unit).expect("written");
        files.push(file.to_str().expect("text").to_owned());
    }
    let mut arguments = vec!["verify", "--man=no", "--recursive-errors=one"];
    arguments.extend(files.iter().map(String::as_str));
    test("systemd-analyze", &arguments, text)?;
    Ok(files.len())
}

fn systemd_takes_the_units_for_a_configuration() -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("many.toml");
    let shown = file.to_str().expect("text");
    let units = |config: &str, kind: &str| {
        fs::write(&file, config).expect("written");
        let output = run(&["conf", kind, shown]);
        String::from_utf8([output.stdout, output.stderr].concat()).expect("text")
    };
    let manual = include_str!("../host/docs/hosting.md");
    let manual = manual.split("```toml\n").nth(1).expect("a configuration");
    let manual = manual.split("```").next().expect("an end");
    let manual = manual
        .replace("user = \"alice\"\n", "")
        .replace("user = \"bob\"\n", "");
    let manual = manual.replace("group = \"www-data\"", "group = \"daemon\"");
    let text = units(
        &format!("{manual}dir = [\"/srv/up::/up\"]\n[log]\nfile = \"/var/log/many/log\"\n"),
        "systemd",
    );
    for line in [
        &format!("/fcgi-wasm serve --config {shown}\n"),
        "/fcgi-wasm reload $MAINPID\n",
        "\nRuntimeDirectory=fcgi-wasm\n",
        "\nCacheDirectory=fcgi-wasm\n",
        "\nLogsDirectory=many\n",
        "\nReadWritePaths=/srv/up\n",
        "\nSupplementaryGroups=daemon\n",
        "\nTimeoutStopSec=75s\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert_eq!(verify(&text)?, 1);
    // Sockets that systemd makes are passed under the names of their tables.
    let passed = "[socket.web]\ninherited = true\n[socket.api]\ninherited = true\n";
    let text = units(passed, "systemd");
    assert!(text.contains("\nFileDescriptorName=api\n"), "{text}");
    assert!(
        text.contains("\nSockets=many-api.socket many-web.socket\n"),
        "{text}"
    );
    assert!(text.contains("\nCacheDirectory=many\n"), "{text}");
    assert_eq!(verify(&text)?, 3);
    for (config, kind, words) in [
        (
            "[socket.s]\nunix = \"/run/s\"\n",
            "systemd",
            "many.toml:2: socket.s.unix: only root",
        ),
        (
            "[socket.s]\nunix = \"s\"\nowner = \"root\"\n",
            "systemd",
            "many.toml:3: socket.s.owner",
        ),
        (
            passed,
            "nginx",
            "is a configuration, for which only units of systemd",
        ),
        (
            "[nonsense]\n",
            "systemd",
            "many.toml:1: nonsense: there is no such table",
        ),
    ] {
        let said = units(config, kind);
        assert!(said.contains(words), "{said}");
    }
    let output = run(&["serve", shown, "--socket", "s"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains(&format!("write serve --config {shown}")),
        "{said}"
    );
    Ok(())
}
