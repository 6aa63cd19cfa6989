//! Reloads of a configuration in which one tenant takes long.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::hosting::{Hosted, deploy, saying};
use crate::support::{Outcome, wait_until};

tests![
    nobody_waits_for_another_tenants_new_version,
    a_newer_configuration_does_not_wait_for_the_one_before,
];

/// An application that says this, and takes the compiler long enough to be found
/// at work.
fn taking_long(text: &str) -> Vec<u8> {
    let step = "(local.set 0 (i32.mul (i32.add (local.get 0) (i32.const 7)) (local.get 0)))";
    let function = format!("(func (param i32) {})", step.repeat(2000));
    let module = saying(text);
    let module = module.trim_end().strip_suffix(')').expect("a module");
    let text = format!("{module}{})", function.repeat(100));
    wat::parse_str(text).expect("valid")
}

/// The compiler of a server, which has no other children.
fn compiler(server: u32) -> Option<Pid> {
    let tasks = fs::read_dir(format!("/proc/{server}/task")).ok()?;
    let children = tasks.flatten().find_map(|task| {
        let children = fs::read_to_string(task.path().join("children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    });
    children.and_then(Pid::from_raw)
}

/// How nice a process is; the highest is 19.
fn niceness(process: u32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("running");
    let (_, fields) = stat.rsplit_once(") ").expect("a name");
    let nice = fields.split(' ').nth(16).expect("a field");
    nice.parse().expect("a number")
}

/// The configuration of two tenants.
fn config(more: &str, route: &str) -> String {
    format!(
        "[server]\ncache = \"cache\"\n\
         [tenant.alice]\n{more}[tenant.bob]\n{more}\
         [app.slow]\nfile = \"slow.wasm\"\ntenant = \"alice\"\nroutes = [\"slow.example/\"]\n\
         [app.quick]\nfile = \"quick.wasm\"\ntenant = \"bob\"\nroutes = [\"{route}\"]\n\
         [socket.s]\nunix = \"s\"\n"
    )
}

fn serve() -> Hosted {
    let files = [("slow.wasm", "one"), ("quick.wasm", "one")];
    Hosted::serve(&config("", "before.example/"), &files, &["s"])
}

/// Has a configuration read whose first tenant's new version takes the compiler
/// for ever; which that is.
fn reload_and_stop_compiler(hosted: &Hosted) -> Pid {
    let beside = hosted.folder.join("slow.new");
    fs::write(&beside, taking_long("second")).expect("written");
    fs::rename(beside, hosted.folder.join("slow.wasm")).expect("renamed");
    reload(hosted, &config("max_concurrent = 7\n", "after.example/"));
    let mut found = None;
    wait_until("it compiles", || {
        found = compiler(hosted.program.id());
        found.is_some()
    });
    let compiler = found.expect("found");
    kill_process(compiler, Signal::STOP).expect("stopped");
    compiler
}

fn reload(hosted: &Hosted, config: &str) {
    fs::write(hosted.folder.join("main.toml"), config).expect("written");
    hosted.program.signal(Signal::HUP);
}

/// The change was not over before; now it is.
fn let_compiler_end(hosted: &Hosted, compiler: Pid) {
    assert_eq!(ask(hosted, "slow.example"), "one", "it is not ready");
    assert!(!hosted.program.log().contains("was read again"));
    kill_process(compiler, Signal::CONT).expect("continued");
    wait_until("it is ready", || ask(hosted, "slow.example") == "second");
    hosted.program.wait_for_log("was read again");
}

fn ask(hosted: &Hosted, host: &str) -> String {
    hosted.ask("s", "/", &[("HTTP_HOST", host)]).text()
}

fn nobody_waits_for_another_tenants_new_version() -> Outcome {
    let hosted = serve();
    let ask = |host| ask(&hosted, host);
    assert_eq!(ask("slow.example"), "one");
    assert_eq!(ask("before.example"), "one");
    let compiler = reload_and_stop_compiler(&hosted);
    let process = u32::try_from(compiler.as_raw_nonzero().get()).expect("over 0");
    let server = niceness(hosted.program.id());
    assert_eq!(niceness(process), (server + 10).min(19));

    wait_until("the other tenant has changed", || {
        ask("after.example") == "one"
    });
    deploy(&hosted.folder.join("quick.wasm"), "second");
    wait_until("a file is replaced meanwhile", || {
        ask("after.example") == "second"
    });
    let_compiler_end(&hosted, compiler);
    Ok(())
}

fn a_newer_configuration_does_not_wait_for_the_one_before() -> Outcome {
    let hosted = serve();
    let ask = |host| ask(&hosted, host);
    assert_eq!(ask("slow.example"), "one");
    let compiler = reload_and_stop_compiler(&hosted);
    // One that is refused does not end the change that is under way.
    reload(&hosted, "[nonsense]");
    hosted.program.wait_for_log("the configuration is refused");
    wait_until("the other tenant has changed", || {
        ask("after.example") == "one"
    });
    reload(&hosted, &config("max_concurrent = 8\n", "newest.example/"));
    wait_until("the newest one counts", || ask("newest.example") == "one");
    assert_ne!(ask("after.example"), "one");
    let_compiler_end(&hosted, compiler);
    Ok(())
}
