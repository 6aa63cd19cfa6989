//! Strangers side by side: one tenant exceeds a budget, and is told so; another
//! one is served as if it were alone.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use fcgi_wasm::{
    App, Budget, Engine, FastCgi, Grants, Handler, HostPattern, Journal, MIB, Policy, Request,
    Router, Tenant,
};
use tokio::runtime::Runtime;

use crate::support::guest_build::guest;
use crate::support::local::Local;
use crate::support::two::{NOISY, QUIET, Two, engine, held, load, release, request};
use crate::support::web_server::*;
use crate::support::{Outcome, wait_until};

tests![
    a_flood_waits_for_itself,
    a_full_queue_is_the_tenants_own,
    those_who_wait_leave_connections_to_others,
    those_who_wait_leave_connections_of_a_small_socket,
    applications_of_a_tenant_share_its_budget,
    a_place_counts_until_the_last_byte,
    guests_that_spin_leave_the_others_alone,
    the_memory_of_all_instances_is_limited,
    an_instance_waits_until_its_memory_fits,
    outbound_requests_are_limited_at_a_time,
    logs_are_limited_over_time,
    answers_are_limited,
    an_answer_has_to_begin_in_time,
    what_is_taken_at_a_moment_is_known,
];

fn a_flood_waits_for_itself() -> Outcome {
    let two = Two::serve_on(&engine(1), "naughty", Budget::strict(), Policy::strict())?;
    let first = two.hold(NOISY);
    let mut flood: Vec<Peer> = (0..5).map(|_| two.local.connect()).collect();
    for peer in &mut flood {
        peer.send(&held(NOISY));
        // When the server answers what came behind it, it waits in the queue.
        peer.send(&record(GET_VALUES, 0, &[]));
        assert_eq!(peer.read_record().expect("values").kind, GET_VALUES_RESULT);
    }
    let mut quiet = two.local.connect();
    quiet.send(&request(QUIET, "/hello"));
    quiet.send(&record(GET_VALUES, 0, &[]));
    assert_eq!(quiet.read_record().expect("values").kind, GET_VALUES_RESULT);
    // It came last, and is the first to get the only place.
    release(first);
    assert_eq!(quiet.answer(1).text(), "hello\n");
    for mut peer in flood {
        assert_eq!(peer.read_record().expect("its turn").kind, STDOUT);
        release(peer);
    }
    Ok(())
}

fn a_full_queue_is_the_tenants_own() -> Outcome {
    let budget = Budget::strict().requests_max(1).queue_max(0);
    let two = Two::serve("naughty", budget, Policy::strict())?;
    let held = two.hold(NOISY);
    two.is_over("/hello", "queue of tenant noisy");
    let budget = Budget::strict().requests_max(1);
    let budget = budget.queue_wait_max(Duration::from_millis(10));
    let waiting = Two::serve("naughty", budget, Policy::strict())?;
    let also_held = waiting.hold(NOISY);
    waiting.is_over("/hello", "requests of tenant noisy");
    release(also_held);
    release(held);
    assert_eq!(two.ask(NOISY, "/hello").text(), "hello\n");
    Ok(())
}

fn those_who_wait_leave_connections_to_others() -> Outcome {
    let options = Engine::options().instances_max(16).waiting_max(32);
    let engine = options.start().expect("an engine");
    let long = Duration::from_secs(600);
    let patient = Budget::strict().requests_max(1).queue_wait_max(long);
    let mut router = Router::new();
    let hosts: Vec<_> = (0..4).map(|number| format!("{number}.example")).collect();
    for host in &hosts {
        let tenant = Tenant::new(&engine, host, patient.clone());
        let policy = Policy::strict().budget(patient.clone());
        router = router.route(host, load(&tenant, host, "naughty", policy)?);
    }
    let quiet = Tenant::new(&engine, "quiet", Budget::strict());
    let router = router.route(QUIET, load(&quiet, "peace", "naughty", Policy::strict())?);
    let frontend = FastCgi::default().body_wait_max(long);
    let local = Local::serve_with(router, frontend, |server| server.connections_max(64));
    let send = |bytes: &[u8]| {
        let mut peer = local.connect();
        peer.send(bytes);
        peer
    };
    let mut flood: Vec<_> = hosts.iter().map(|host| send(&held(host))).collect();
    for peer in &mut flood {
        assert_eq!(peer.read_record().expect("it runs").kind, STDOUT);
    }
    for host in hosts.iter().cycle().take(128) {
        flood.push(send(&not_kept(request(host, "/hello"))));
    }
    let hello = not_kept(request(QUIET, "/hello"));
    assert_eq!(local.ask(1, &hello).text(), "hello\n");
    Ok(())
}

fn those_who_wait_leave_connections_of_a_small_socket() -> Outcome {
    let engine = engine(256);
    let long = Duration::from_secs(600);
    let patient = Budget::strict().requests_max(1).queue_wait_max(long);
    let noisy = Tenant::new(&engine, "noisy", patient.clone());
    let quiet = Tenant::new(&engine, "quiet", Budget::strict());
    let policy = Policy::strict().budget(patient);
    let router = Router::new()
        .route(NOISY, load(&noisy, "noise", "naughty", policy)?)
        .route(QUIET, load(&quiet, "peace", "naughty", Policy::strict())?);
    let frontend = FastCgi::default().body_wait_max(long).connections_max(16);
    let local = Local::serve_with(router, frontend, |server| server.connections_max(16));
    let send = |bytes: &[u8]| {
        let mut peer = local.connect();
        peer.send(bytes);
        peer
    };
    let mut running = send(&held(NOISY));
    assert_eq!(running.read_record().expect("it runs").kind, STDOUT);
    let hello = |host| not_kept(request(host, "/hello"));
    let _flood: Vec<_> = (0..32).map(|_| send(&hello(NOISY))).collect();
    assert_eq!(local.ask(1, &hello(QUIET)).text(), "hello\n");
    Ok(())
}

/// The same request on a connection that is not kept: FCGI_KEEP_CONN stands behind
/// the record's header and the role.
fn not_kept(mut request: Vec<u8>) -> Vec<u8> {
    assert_eq!(std::mem::take(&mut request[8 + 2]), 1);
    request
}

fn applications_of_a_tenant_share_its_budget() -> Outcome {
    let engine = engine(256);
    let tenant = Tenant::new(
        &engine,
        "noisy",
        Budget::strict().requests_max(1).queue_max(0),
    );
    let strict = Policy::strict().budget(Budget::strict().requests_max(5));
    let router = Router::new()
        .route(NOISY, load(&tenant, "one", "naughty", strict.clone())?)
        .route(QUIET, load(&tenant, "other", "naughty", strict)?);
    let local = Local::serve(router);
    let mut peer = local.connect();
    peer.send(&held(NOISY));
    assert_eq!(peer.read_record().expect("it runs").kind, STDOUT);
    let answer = local.ask(1, &request(QUIET, "/hello"));
    assert_eq!(answer.status(), 503);
    assert!(answer.log().contains("of tenant noisy"), "{}", answer.log());
    release(peer);
    // One of its applications has a limit of its own below the tenant's.
    let tenant = Tenant::new(&engine, "noisy", Budget::strict());
    let strict = Policy::strict().budget(Budget::strict().requests_max(1).queue_max(0));
    let router = Router::new()
        .route(NOISY, load(&tenant, "one", "naughty", strict.clone())?)
        .route(QUIET, load(&tenant, "other", "naughty", strict)?);
    let local = Local::serve(router);
    let mut peer = local.connect();
    peer.send(&held(NOISY));
    assert_eq!(peer.read_record().expect("it runs").kind, STDOUT);
    let answer = local.ask(1, &request(NOISY, "/hello"));
    assert!(answer.log().contains("of app one"), "{}", answer.log());
    let answer = local.ask(1, &request(QUIET, "/hello"));
    assert_eq!(answer.text(), "hello\n");
    release(peer);
    Ok(())
}

fn a_place_counts_until_the_last_byte() -> Outcome {
    let budget = Budget::strict().requests_max(1).queue_max(0);
    let two = Two::serve("naughty", budget, Policy::strict())?;
    let mut slow = two.local.connect();
    slow.send(&request(NOISY, "/whole/4000000"));
    assert_eq!(slow.read_record().expect("it runs").kind, STDOUT);
    // The guest wrote all of it in one call, and the client takes none of it.
    two.is_over("/hello", "queue of tenant noisy");
    assert!(slow.answer(1).stdout.len() > 3_000_000);
    wait_until("the place is free", || {
        two.ask(NOISY, "/hello").status() == 200
    });
    Ok(())
}

fn guests_that_spin_leave_the_others_alone() -> Outcome {
    let policy = Policy::strict().cpu_time_max(Duration::from_secs(600));
    let policy = policy.wall_time_max(Duration::from_secs(600));
    let two = Two::serve("naughty", Budget::strict(), policy)?;
    let mut spinning: Vec<Peer> = (0..20).map(|_| two.local.connect()).collect();
    for peer in &mut spinning {
        peer.send(&request(NOISY, "/spin"));
    }
    for _ in 0..20 {
        two.quiet_is_served();
    }
    // The tenant's own short requests are served too.
    assert_eq!(two.ask(NOISY, "/hello").text(), "hello\n");
    Ok(())
}

fn the_memory_of_all_instances_is_limited() -> Outcome {
    let budget = Budget::strict().memory_max(24 * MIB);
    let two = Two::serve("naughty", budget, Policy::strict())?;
    two.is_over("/grow", "memory-sum of tenant noisy");
    // What it had is given back.
    assert_eq!(two.ask(NOISY, "/hello").text(), "hello\n");
    Ok(())
}

fn an_instance_waits_until_its_memory_fits() -> Outcome {
    let one = fcgi_wasm::Inspection::of_file(&engine(1), &guest("naughty")?);
    let one = one.expect("a component").memory_bytes_initial;
    let one = one.expect("a memory");
    let budget = Budget::strict().memory_max(one + one / 2);
    let budget = budget.queue_wait_max(Duration::from_millis(100));
    let two = Two::serve("naughty", budget, Policy::strict())?;
    let held = two.hold(NOISY);
    two.is_over("/hello", "memory-sum of tenant noisy");
    let mut second = two.local.connect();
    release(held);
    second.send(&request(NOISY, "/hello"));
    assert_eq!(second.answer(1).text(), "hello\n");
    // What can never run is not deployed.
    let tenant = Tenant::new(&engine(1), "noisy", Budget::strict().memory_max(one - 1));
    let runtime = Runtime::new().expect("a runtime");
    let loading = App::load_for(&tenant, "noise", guest("naughty")?, Policy::strict());
    let refused = runtime.block_on(loading).err().expect("it is refused");
    assert!(
        refused.to_string().contains("tenant's instances"),
        "{refused}"
    );
    Ok(())
}

fn outbound_requests_are_limited_at_a_time() -> Outcome {
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let path = format!("/outbound/{}", silent.local_addr().expect("an address"));
    let grants = Grants::none()
        .host(HostPattern::parse("127.0.0.1").expect("a host"))
        .private_hosts(true);
    let budget = Budget::strict().outbound_requests_max(1);
    let two = Two::serve("naughty-http", budget, Policy::strict().grants(grants))?;
    let mut waiting = two.local.connect();
    waiting.send(&request(NOISY, &path));
    let connection = silent.accept().expect("its request");
    let refused = two.ask(NOISY, &path);
    assert!(
        refused.text().contains("ConnectionLimitReached"),
        "{}",
        refused.text()
    );
    let log = refused.log();
    assert!(log.contains("outbound-requests of tenant noisy"), "{log}");
    let mut quiet = two.local.connect();
    quiet.send(&request(QUIET, &path));
    drop(silent.accept().expect("the quiet one's request"));
    assert!(!quiet.answer(1).text().contains("ConnectionLimitReached"));
    drop(connection);
    waiting.answer(1);
    let mut again = two.local.connect();
    again.send(&request(NOISY, &path));
    drop(silent.accept().expect("another request"));
    again.answer(1);
    Ok(())
}

fn logs_are_limited_over_time() -> Outcome {
    let budget = Budget::strict().log_rate(1, 1000);
    let two = Two::serve("naughty", budget, Policy::strict())?;
    let log = two.ask(NOISY, "/log/100").log();
    assert!(
        log.contains("line 0 ") && !log.contains("line 99 "),
        "{log}"
    );
    assert!(log.contains("it logs too much"), "{log}");
    // Nor do its failures fill the log: the web server's has them.
    let log = two.ask(NOISY, "/trap").log();
    assert!(log.contains("unreachable"), "{log}");
    let journal = Arc::new(Journal::new());
    let request = Request {
        params: get_params("/trap").into_iter().collect(),
        journal: journal.clone(),
        ..Request::default()
    };
    let runtime = Runtime::new().expect("a runtime");
    let fault = runtime.block_on(two.noisy.handle(request));
    assert_eq!(fault.err().map(|fault| fault.cause()), Some("crash"));
    assert!(journal.is_muted());
    let owner = journal.owner().expect("an owner");
    assert_eq!(
        (owner.tenant.as_str(), owner.app.as_str()),
        ("noisy", "noise")
    );
    let log = two.ask(QUIET, "/log/100").log();
    assert!(log.contains("line 0 ") && log.contains("line 99 "), "{log}");
    Ok(())
}

fn answers_are_limited() -> Outcome {
    let policy = Policy::strict()
        .response_body_max(100_000)
        .response_head_max(1000);
    let two = Two::serve("naughty", Budget::strict(), policy)?;
    assert_eq!(two.ask(NOISY, "/whole/100000").body().len(), 100_000);
    let cut = two.ask(NOISY, "/download/1000000");
    assert!(cut.status() == 502 || cut.body().len() <= 100_000);
    assert_eq!(cut.app_status, 1);
    assert!(cut.log().contains("over 100000 bytes"), "{}", cut.log());
    assert_eq!(two.ask(NOISY, "/big-head/900").status(), 200);
    let refused = two.ask(NOISY, "/big-head/1000");
    assert_eq!(refused.status(), 500);
    assert!(refused.log().contains("(max_head)"), "{}", refused.log());
    two.quiet_is_served();
    Ok(())
}

fn an_answer_has_to_begin_in_time() -> Outcome {
    let policy = Policy::strict().head_time_max(Duration::from_millis(200));
    let two = Two::serve("naughty", Budget::strict(), policy)?;
    let answer = two.ask(NOISY, "/sleep");
    assert_eq!(answer.status(), 504);
    assert!(answer.log().contains("(head_time)"), "{}", answer.log());
    // Once it has begun, the limit is of no concern.
    let mut begun = two.hold(NOISY);
    std::thread::sleep(Duration::from_millis(400));
    begun.send(&stdin(1, b"rest\n"));
    assert!(begun.answer(1).stdout.ends_with(b"rest\n"));
    two.quiet_is_served();
    Ok(())
}

fn what_is_taken_at_a_moment_is_known() -> Outcome {
    let two = Two::serve("naughty", Budget::strict(), Policy::strict())?;
    let held = two.hold(NOISY);
    for standing in [two.noisy.standing(), two.noisy.tenant().standing()] {
        assert_eq!((standing.requests, standing.waiting), (1, 0));
        assert!(standing.memory_bytes > MIB);
    }
    release(held);
    wait_until("all is given back", || {
        two.noisy.standing() == fcgi_wasm::Standing::default()
    });
    Ok(())
}
