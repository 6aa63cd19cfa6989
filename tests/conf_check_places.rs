//! `fcgi-wasm conf --check`: what it looks at beside the lines, and what it
//! leaves alone.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use crate::conf_check::{NGINX, check, found};
use crate::support::Outcome;
use crate::support::manual::{block, block_for_documents, blocks};

tests![
    the_manuals_blocks_are_without_mistakes,
    files_of_document_roots_are_asked_for_as_php_is,
    sockets_are_looked_at,
    a_socket_out_of_the_users_reach_is_found,
    what_can_not_be_checked_is_told,
];

/// Those that take a flag or a warning, which the page has beside them.
const DOUBTFUL: &[(&str, &str)] = &[("lighttpd", "quirk"), ("haproxy", "multiplexed")];

fn the_manuals_blocks_are_without_mistakes() -> Outcome {
    const CHECKED: &[&str] = &["nginx", "apache", "lighttpd", "caddy", "haproxy"];
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address").to_string();
    for (kind, name) in blocks() {
        let is_doubtful = DOUBTFUL.contains(&(kind, name));
        if !CHECKED.contains(&kind) || is_doubtful {
            continue;
        }
        let text = block(kind, name).replace("/run/app.sock", "SOCKET");
        let text = text.replace("127.0.0.1:9000", &address);
        let (lines, status) = found(kind, &text, &["--user", "root"]);
        assert_eq!(status, Some(0), "{kind} {name}: {lines:#?}");
        // Recognised without its name, and called by it.
        let (lines, _) = found("", &text, &["--user", "root"]);
        let last = lines.last().map_or("", String::as_str).to_ascii_lowercase();
        assert!(last.contains(&format!("as {kind} has it")), "{lines:#?}");
    }
    let text = block_for_documents().replace("/run/fcgi-wasm/bob.sock", "SOCKET");
    check("nginx", &[(&text, &[])]);
    Ok(())
}

fn files_of_document_roots_are_asked_for_as_php_is() -> Outcome {
    let file = "fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;";
    for (place, params, mistakes) in [
        (r"~ \.wasm(/|$)", file, &[] as &[_]),
        (
            r"~ \.wasm$",
            "try_files $uri =404; include fastcgi.conf;",
            &[],
        ),
        (
            r"~ \.wasm(/|$)",
            "fastcgi_split_path_info ^(.+\\.wasm)(/.*)$; include fastcgi.conf;",
            &[],
        ),
        (r"~ \.wasm(/|$)", "", &[(2, "no SCRIPT_FILENAME")]),
        ("/", file, &[(1, "how PHP is asked")]),
    ] {
        let text = format!("location {place} {{ {NGINX} {params}\nfastcgi_pass unix:SOCKET; }}\n");
        check("nginx", &[(&text, mistakes)]);
    }
    for block in ["FilesMatch \\.wasm$", "Files *.wasm"] {
        let end = block.split(' ').next().expect("a name");
        let handler = "SetHandler \"proxy:unix:SOCKET|fcgi://localhost\"";
        let text = format!("<{block}>\n{handler}\n</{end}>\n");
        check("apache", &[(&text, &[])]);
    }
    let list = "fastcgi.server = ( \".wasm\" => (( \"socket\" => \"SOCKET\" )))\n";
    check("lighttpd", &[(list, &[])]);
    Ok(())
}

fn sockets_are_looked_at() -> Outcome {
    let good = format!(
        "location / {{ {NGINX} fastcgi_param PATH_INFO $uri; fastcgi_param SCRIPT_NAME \"\";\n"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let stale = folder.path().join("stale");
    drop(UnixListener::bind(&stale).expect("bound"));
    for (target, words) in [
        (
            "unix:/nonexistent/s".to_owned(),
            "/nonexistent/s is not there",
        ),
        (format!("unix:{}", folder.path().display()), "is no socket"),
        (format!("unix:{}", stale.display()), "nobody answers"),
        ("127.0.0.1:1".to_owned(), "nobody answers at 127.0.0.1:1"),
    ] {
        let text = format!("{good}fastcgi_pass {target}; }}\n");
        check("nginx", &[(&text, &[(2, words)])]);
    }
    Ok(())
}

fn a_socket_out_of_the_users_reach_is_found() -> Outcome {
    let text = format!(
        "location / {{ {NGINX} fastcgi_param PATH_INFO $uri; fastcgi_param SCRIPT_NAME \"\";\nfastcgi_pass unix:SOCKET; }}\n"
    );
    let (lines, status) = found("nginx", &text, &["--user", "nobody"]);
    assert_eq!(status, Some(1));
    assert!(
        lines[0].contains("nobody has no right to write to it"),
        "{lines:#?}"
    );
    // Whom the file itself names comes first.
    let (lines, status) = found(
        "nginx",
        &format!("user root;\n{text}"),
        &["--user", "nobody"],
    );
    assert_eq!(status, Some(0), "{lines:#?}");
    Ok(())
}

fn what_can_not_be_checked_is_told() -> Outcome {
    for (kind, text, words) in [
        (
            "nginx",
            "server { listen 80; }\n",
            "passes nothing to FastCGI",
        ),
        ("nginx", "server {\n", "line 1: its block does not end"),
        ("apache", "</Location>\n", "line 1: a block ends here"),
        ("systemd", "[Unit]\n", "only web servers' files"),
    ] {
        let (lines, status) = found(kind, text, &[]);
        assert_eq!(status, Some(1), "{lines:?}");
        assert!(lines.iter().any(|line| line.contains(words)), "{lines:?}");
    }
    let huge = "x".repeat(1024 * 1024 + 1);
    let (lines, _) = found("nginx", &huge, &[]);
    assert!(lines[0].contains("no configuration file"), "{lines:?}");
    Ok(())
}
