//! The native contract, `fcgi-wasm:app` (guest-sdk/wit/app.wit): the request
//! and the response are plain functions that the guest calls, and what it
//! exports is the roles that it plays.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use wasmtime::component::{
    ComponentExportIndex, ComponentNamedList, ComponentType, InstancePre, Lift,
};
use wasmtime::error::Context as _;
use wasmtime::{Result, Store};

use super::World;
use super::native_imports::Fields;
use crate::message::{BoxFuture, Params, Request, Role};
use crate::sandbox::fault::{Failed, NotMade};
use crate::sandbox::guest::{Guest, Sandbox};
use crate::sandbox::incoming::Incoming;
use crate::sandbox::load::Loaded;
use crate::sandbox::reply::Reply;

const HANDLER: &str = "fcgi-wasm:app/handler@0.1.0";
const AUTHORIZATION: &str = "fcgi-wasm:app/authorization@0.1.0";
const FILTERING: &str = "fcgi-wasm:app/filtering@0.1.0";

/// An export for each role.
pub(super) const EXPORTS: &[&str] = &[HANDLER, AUTHORIZATION, FILTERING];

/// A component that exports at least one of them.
struct Native {
    instance: InstancePre<Guest>,
    handle: Option<ComponentExportIndex>,
    authorize: Option<ComponentExportIndex>,
    filter: Option<ComponentExportIndex>,
}

/// What `handle` and `filter` return.
type Answered = std::result::Result<(), String>;

/// What `authorize` returns.
type Judged = std::result::Result<Verdict, String>;

/// `verdict`
#[derive(ComponentType, Lift)]
#[component(variant)]
enum Verdict {
    #[component(name = "allow")]
    Allow(Fields),
    #[component(name = "deny")]
    Deny,
}

pub(super) fn bind(loaded: &Loaded<'_>) -> Result<Box<dyn World>> {
    let instance = loaded.link()?;
    let component = instance.component();
    let find = |interface: &str, function: &str| {
        let (_, interface) = component.get_export(None, interface)?;
        component.get_export_index(Some(&interface), function)
    };
    Ok(Box::new(Native {
        handle: find(HANDLER, "handle"),
        authorize: find(AUTHORIZATION, "authorize"),
        filter: find(FILTERING, "filter"),
        instance,
    }))
}

impl Native {
    fn function(&self, role: Role) -> Option<&ComponentExportIndex> {
        match role {
            Role::Responder => self.handle.as_ref(),
            Role::Authorizer => self.authorize.as_ref(),
            Role::Filter => self.filter.as_ref(),
        }
    }

    async fn call<R>(&self, store: &mut Store<Guest>, role: Role) -> Result<R>
    where
        (R,): ComponentNamedList + Lift,
        R: Send + Sync + 'static,
    {
        let Some(function) = self.function(role) else {
            wasmtime::bail!("it does not serve as {role}");
        };
        let instance = self
            .instance
            .instantiate_async(&mut *store)
            .await
            .context(NotMade)?;
        let function = instance.get_typed_func::<(), (R,)>(&mut *store, function)?;
        let (result,) = function.call_async(&mut *store, ()).await?;
        Ok(result)
    }
}

impl World for Native {
    fn plays(&self, role: Role) -> bool {
        self.function(role).is_some()
    }

    fn run<'a>(
        &'a self,
        sandbox: Sandbox,
        request: Request,
        reply: Reply,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let role = request.role;
            let engine = self.instance.engine();
            let answers = Some(reply.clone());
            let mut store = sandbox.enter(engine, request.params, request.body, answers);
            store.data_mut().source = Incoming::new(request.data);
            let answered: Answered = match role {
                Role::Responder | Role::Filter => self.call(&mut store, role).await?,
                Role::Authorizer => {
                    let judged: Judged = self.call(&mut store, role).await?;
                    judged.and_then(|verdict| carry_out(verdict, &reply))
                }
            };
            answered.map_err(|reason| Failed::new(format_args!("{reason}")).into())
        })
    }
}

/// What comes of a verdict.
fn carry_out(verdict: Verdict, reply: &Reply) -> Answered {
    match verdict {
        Verdict::Allow(fields) => {
            let mut variables = Params::default();
            for (name, value) in &fields {
                variables.push(name.as_bytes(), value);
            }
            reply.allow(variables)
        }
        Verdict::Deny if reply.has_begun() => Ok(()),
        Verdict::Deny => {
            let mut headers = HeaderMap::new();
            let plain = HeaderValue::from_static("text/plain; charset=utf-8");
            headers.insert(header::CONTENT_TYPE, plain);
            reply.start(StatusCode::FORBIDDEN, headers)?;
            reply.push(Bytes::from_static(b"403 Forbidden\n"));
            Ok(())
        }
    }
}
