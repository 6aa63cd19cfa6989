//! Who is let in, who waits, and who is sent away.

use std::pin::pin;

use futures_util::FutureExt;

use super::*;
use crate::policy::Budget;
use crate::sandbox::engine::Engine;
use crate::sandbox::tenant::Tenant;

fn engine(places: usize) -> Engine {
    let options = Engine::options().instances_max(places);
    options.start().expect("an engine")
}

fn customer(engine: &Engine, budget: &Budget) -> Arc<Customer> {
    let tenant = Tenant::new(engine, "tenant", budget.clone());
    Customer::new(&tenant, "app", budget, 1)
}

async fn enter(customer: &Arc<Customer>) -> Result<Admitted, Fault> {
    customer.gate().enter(customer, &Journal::new(), 0).await
}

#[tokio::test]
async fn conformance_75_a_full_queue_is_a_503_at_once() {
    let engine = engine(10);
    let customer = customer(&engine, &Budget::strict().requests_max(1).queue_max(0));
    let admitted = enter(&customer).await.expect("the first");
    let fault = enter(&customer).await.expect_err("the second");
    assert_eq!((fault.status().as_u16(), fault.cause()), (503, "queue"));
    drop(admitted);
    enter(&customer).await.expect("after the first");
}

#[tokio::test(start_paused = true)]
async fn a_wait_has_an_end() {
    let engine = engine(10);
    let customer = customer(&engine, &Budget::strict().requests_max(1));
    let _admitted = enter(&customer).await.expect("the first");
    let fault = enter(&customer).await.expect_err("the second");
    assert_eq!(fault.cause(), "requests");
    assert!(customer.accounts().map(|account| account.waiting.used()) == [0, 0]);
    assert!(customer.gate().lock().is_empty());
}

#[tokio::test]
async fn what_was_taken_is_given_back() {
    let engine = engine(1);
    let customers = [0; 2].map(|_| customer(&engine, &Budget::strict()));
    let admitted = enter(&customers[0]).await.expect("the only place");
    let waiting = enter(&customers[1]);
    assert!(waiting.now_or_never().is_none());
    drop(admitted);
    for customer in &customers {
        customer.idle().await;
        let [app, tenant] = customer.accounts();
        for used in [
            &app.running,
            &app.memory_bytes,
            &tenant.running,
            &tenant.waiting,
        ] {
            assert_eq!(used.used(), 0);
        }
    }
    assert_eq!(customers[0].gate().places.used(), 0);
}

#[tokio::test]
async fn a_few_tenants_do_not_have_all_places() {
    let engine = engine(16);
    let strict = Budget::strict().requests_max(16);
    let customers = [0; 4].map(|_| customer(&engine, &strict));
    let mut admitted = Vec::new();
    let mut had = Vec::new();
    for customer in &customers {
        let before = admitted.len();
        while let Some(entered) = enter(customer).now_or_never() {
            admitted.push(entered.expect("a place"));
        }
        had.push(admitted.len() - before);
    }
    assert_eq!(had, [8, 4, 2, 1]);
    // What somebody else leaves is for who waits.
    let mut waiting = pin!(enter(&customers[1]));
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(admitted.drain(..6));
    waiting.await.expect("a place").place.leave_silently();
}

#[tokio::test]
async fn a_few_tenants_do_not_have_all_room_to_wait() {
    let options = Engine::options().instances_max(1).waiting_max(16);
    let engine = options.start().expect("an engine");
    let customers = [0; 5].map(|_| customer(&engine, &Budget::strict()));
    let _admitted = enter(&customers[0]).await.expect("the only place");
    let mut waiting = Vec::new();
    let mut had = Vec::new();
    for customer in &customers {
        let before = waiting.len();
        let fault = loop {
            let mut entering = Box::pin(enter(customer));
            match entering.as_mut().now_or_never() {
                None => waiting.push(entering),
                Some(refused) => break refused.expect_err("no place"),
            }
        };
        assert_eq!((fault.status().as_u16(), fault.cause()), (503, "queue"));
        had.push(waiting.len() - before);
    }
    assert_eq!(had, [8, 4, 2, 1, 1]);
    drop(waiting);
    assert_eq!(customers[0].gate().waiting.used(), 0);
}

#[tokio::test]
async fn large_params_of_those_who_wait_have_a_limit() {
    let engine = engine(1);
    let customer = &customer(&engine, &Budget::strict());
    let enter = |params_bytes| async move {
        let gate = customer.gate();
        gate.enter(customer, &Journal::new(), params_bytes).await
    };
    let _admitted = enter(PARAMS_BYTES_ALL).await.expect("it does not wait");
    let large = PARAMS_BYTES_ALL / 4 + PARAMS_BYTES_FREE;
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let mut entering = Box::pin(enter(large));
        assert!(entering.as_mut().now_or_never().is_none());
        waiting.push(entering);
    }
    let fault = enter(large).await.expect_err("the third");
    assert_eq!(
        (fault.status().as_u16(), fault.cause()),
        (503, "overloaded")
    );
    assert!(enter(PARAMS_BYTES_FREE).now_or_never().is_none());
    waiting.pop();
    assert!(enter(large).now_or_never().is_none());
}

#[tokio::test]
async fn one_tenant_alone_has_all_places() {
    let engine = engine(16);
    let customer = customer(&engine, &Budget::strict().requests_max(16));
    let mut admitted = Vec::new();
    while let Some(entered) = enter(&customer).now_or_never() {
        admitted.push(entered.expect("a place"));
    }
    assert_eq!(admitted.len(), 16);
}

#[tokio::test]
async fn who_grows_makes_the_next_wait_and_not_fail() {
    let engine = engine(10);
    let customer = customer(&engine, &Budget::strict().memory_max(1000));
    assert_eq!(customer.memory_bytes_needed(), 1);
    for _ in 0..50 {
        customer.note_memory(600);
    }
    let needed = customer.memory_bytes_needed();
    assert!((500..=600).contains(&needed), "{needed}");
    let admitted = enter(&customer).await.expect("the first");
    let waiting = enter(&customer);
    assert!(waiting.now_or_never().is_none());
    drop(admitted);
    // More than there is would never fit.
    for _ in 0..100 {
        customer.note_memory(5000);
    }
    enter(&customer).await.expect("all of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_waits_for_ever() {
    let engine = engine(3);
    let budget = Budget::strict()
        .requests_max(2)
        .memory_max(3)
        .queue_max(100_000)
        .queue_wait_max(Duration::from_secs(600));
    let customers = [0; 4].map(|_| customer(&engine, &budget));
    let mut tasks = Vec::new();
    for number in 0..1600_usize {
        let customer = customers[number % 4].clone();
        tasks.push(tokio::spawn(async move {
            if number % 10 == 0 {
                // Some change their mind.
                let waiting = tokio::time::timeout(Duration::ZERO, enter(&customer));
                drop(waiting.await);
                return;
            }
            let admitted = enter(&customer).await.expect("a place");
            if number % 3 == 0 {
                tokio::task::yield_now().await;
            }
            drop(admitted);
        }));
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    assert_eq!(customers[0].gate().places.used(), 0);
    assert!(customers[0].gate().lock().is_empty());
}
