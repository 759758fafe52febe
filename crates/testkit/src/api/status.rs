//! `Status` answers as the API server words them (apimachinery, pkg/api/errors).

use axum::response::{IntoResponse as _, Json, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::resources::{Resource, Target};

/// What the API server says once a continue token has expired (apiserver, registry/generic).
const EXPIRED: &str = "The provided continue parameter is too old to display a consistent list \
    result. You can start a new list without the continue parameter, or use the continue token \
    in this response to retrieve the remainder of the results. Continuing with the provided \
    token results in an inconsistent list - objects that were created, modified, or deleted \
    between the time the first chunk was returned and now may show up in the list.";

fn failure(code: StatusCode, reason: &str, message: &str, details: &Value) -> Response {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "details": details, "code": code.as_u16(),
    });
    (code, Json(body)).into_response()
}

pub(super) fn forbidden(user: &str, verb: &str, target: &Target<'_>) -> Response {
    let resource = target.resource;
    let place = match target.namespace {
        Some(namespace) => format!("in the namespace \"{namespace}\""),
        None => "at the cluster scope".to_owned(),
    };
    let name = target
        .name
        .map(|name| format!(" \"{name}\""))
        .unwrap_or_default();
    let message = format!(
        "{}{name} is forbidden: User \"{user}\" cannot {verb} resource \"{}\" in API group \
         \"{}\" {place}",
        resource.qualified(),
        target.rule_resource(),
        resource.group
    );
    failure(
        StatusCode::FORBIDDEN,
        "Forbidden",
        &message,
        &details(resource, target.name),
    )
}

/// 403 by admission, which is not RBAC's.
pub(super) fn refused(message: &str) -> Response {
    failure(StatusCode::FORBIDDEN, "Forbidden", message, &json!({}))
}

pub(super) fn not_found(resource: &Resource, name: &str) -> Response {
    let message = format!("{} \"{name}\" not found", resource.qualified());
    failure(
        StatusCode::NOT_FOUND,
        "NotFound",
        &message,
        &details(resource, Some(name)),
    )
}

pub(super) fn no_such_path() -> Response {
    failure(
        StatusCode::NOT_FOUND,
        "NotFound",
        "the server could not find the requested resource",
        &json!({}),
    )
}

pub(super) fn bad_request(message: &str) -> Response {
    failure(StatusCode::BAD_REQUEST, "BadRequest", message, &Value::Null)
}

pub(super) fn conflict(resource: &Resource, name: &str, message: &str) -> Response {
    let text = format!("{} \"{name}\" {message}", resource.qualified());
    let reason = if message.contains("already") {
        "AlreadyExists"
    } else {
        "Conflict"
    };
    failure(
        StatusCode::CONFLICT,
        reason,
        &text,
        &details(resource, Some(name)),
    )
}

pub(super) fn not_allowed() -> Response {
    failure(
        StatusCode::METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
        &json!({}),
    )
}

/// 410 with a token with which the rest can still be read, though not of the same moment.
pub(super) fn expired(fresh: &str) -> Response {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {"continue": fresh},
        "status": "Failure", "message": EXPIRED, "reason": "Expired", "code": 410,
    });
    (StatusCode::GONE, Json(body)).into_response()
}

/// A bare status that a fault asks for.
pub(super) fn of_code(code: StatusCode) -> Response {
    let (reason, message) = match code.as_u16() {
        401 => ("Unauthorized", "Unauthorized"),
        429 => (
            "TooManyRequests",
            "the server has received too many requests and has asked us to try again later",
        ),
        503 => (
            "ServiceUnavailable",
            "the server is currently unable to handle the request",
        ),
        504 => (
            "Timeout",
            "Timeout: request did not complete within the allotted timeout",
        ),
        _ => (
            "InternalError",
            "an error on the server has prevented the request from succeeding",
        ),
    };
    failure(code, reason, message, &json!({}))
}

fn details(resource: &Resource, name: Option<&str>) -> Value {
    let mut details = json!({"kind": resource.plural});
    if !resource.group.is_empty() {
        details["group"] = json!(resource.group);
    }
    if let Some(name) = name {
        details["name"] = json!(name);
    }
    details
}
