//! Which part a guest plays in a request: the role that it is asked in, or none.

use http_body_util::BodyExt;

use super::worlds::World;
use crate::message::{Body, Fault, Request, Response, Role};
use crate::policy::Policy;

/// Finds the part for the guest in this request: the role that it is asked
/// in; or that of a responder whose answer is the verdict, if the operator
/// trusts it with that. Whether it is the latter.
pub(super) fn cast(
    name: &str,
    world: &dyn World,
    policy: &Policy,
    request: &mut Request,
) -> Result<bool, Fault> {
    if request.role == Role::Authorizer {
        // §6.3: it is asked about the request without its body.
        request.body = Body::default();
    }
    if world.plays(request.role) {
        return Ok(false);
    }
    match request.role {
        Role::Authorizer if policy.may_authorize && world.plays(Role::Responder) => {
            request.role = Role::Responder;
            Ok(true)
        }
        Role::Authorizer => Err(Fault::UnknownRole(format!(
            "{name} exports no `authorization`, so it is no authorizer; --authorizer has its \
             plain 200 let requests pass"
        ))),
        Role::Filter => Err(Fault::UnknownRole(format!(
            "{name} exports no `filtering`, so it is no filter"
        ))),
        Role::Responder => Err(Fault::UnknownRole(format!(
            "{name} exports no `handler`, so it does not answer requests itself"
        ))),
    }
}

/// Waits for the end of an answer that lets a request pass: one that breaks off
/// does not. Nobody gets its body.
pub(super) async fn complete(mut response: Response) -> Result<Response, Fault> {
    while let Some(frame) = response.body.frame().await {
        frame?;
    }
    Ok(response)
}
