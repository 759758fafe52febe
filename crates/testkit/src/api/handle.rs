//! From a request to its answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Json, Response};
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderName};
use http::{HeaderMap, Method, Request, StatusCode};
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::{Value, json};

use crate::fault::Asked;
use crate::query;
use crate::spec::FaultSpec;

use super::body::Broken;
use super::cluster::{FakeCluster, Logged, Settings};
use super::list::{self, Rows, partial};
use super::resources::{self, Target};
use super::selectors::Selectors;
use super::store::ObjectError;
use super::{discovery, status, watch};

/// Most bytes of an object that is sent here.
const MOST_BODY: usize = 4 << 20;
const USER: &str = "testkit";
const IMPERSONATE: HeaderName = HeaderName::from_static("impersonate-user");

/// Marks an answer in whose place the connection is to be closed.
#[derive(Debug, Clone, Copy)]
pub(super) struct HangUp;

pub(super) async fn handle(State(cluster): State<FakeCluster>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let settings = cluster.settings();
    let header = |name: HeaderName| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let authorization = header(AUTHORIZATION);
    let path = parts.uri.path();
    let query = parts.uri.query().unwrap_or_default();
    cluster.record(Logged {
        method: parts.method.to_string(),
        path: path.to_owned(),
        query: query.to_owned(),
        accept: header(ACCEPT).unwrap_or_default(),
        authenticated: authorization.is_some(),
        impersonated: header(IMPERSONATE),
    });
    let picked = settings.faults.pick(Asked {
        method: parts.method.as_str(),
        path,
        host: parts.uri.host().unwrap_or_default(),
        authenticated: authorization.is_some(),
    });
    let fault = picked.map(|(_, fault)| fault);
    let delay = fault.map_or(0, |fault| fault.delay_ms);
    tokio::time::sleep(settings.latency + Duration::from_millis(delay)).await;
    if let Some(answer) = fault.and_then(replaced) {
        return answer;
    }
    let wanted = settings
        .token
        .as_ref()
        .map(|token| format!("Bearer {token}"));
    let answer = if wanted.is_some() && wanted != authorization {
        status::of_code(StatusCode::UNAUTHORIZED)
    } else {
        let user = header(IMPERSONATE).unwrap_or_else(|| USER.to_owned());
        let call = Call {
            cluster: &cluster,
            settings: &settings,
            method: &parts.method,
            headers: &parts.headers,
            path,
            pairs: query::pairs(query),
            user,
        };
        dated(call.answer(body).await, &settings)
    };
    match fault {
        Some(fault) => spoil(answer, fault),
        None => answer,
    }
}

/// The answer with the server's clock.
fn dated(mut answer: Response, settings: &Settings) -> Response {
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&settings.now());
    if let Ok(date) = date
        .map_err(drop)
        .and_then(|date| date.parse().map_err(drop))
    {
        answer.headers_mut().insert(DATE, date);
    }
    answer
}

fn replaced(fault: &FaultSpec) -> Option<Response> {
    if fault.hang_up {
        let mut response = Broken::body(Body::empty(), 0, false).into_response();
        response.extensions_mut().insert(HangUp);
        return Some(response);
    }
    let code = StatusCode::from_u16(fault.status?).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let answer = match &fault.body {
        None => status::of_code(code),
        Some(body) => {
            let kind = if body.starts_with('{') {
                "application/json"
            } else {
                "text/plain"
            };
            (code, [(CONTENT_TYPE, kind)], body.clone()).into_response()
        }
    };
    Some(spoil(answer, fault))
}

fn spoil(answer: Response, fault: &FaultSpec) -> Response {
    let (mut parts, mut body) = answer.into_parts();
    for (name, value) in &fault.headers {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes())
            && let Ok(value) = http::HeaderValue::from_str(value)
        {
            parts.headers.insert(name, value);
        }
    }
    if let Some(after) = fault.stall_after {
        body = Broken::body(body, after, true);
    } else if let Some(after) = fault.cut_after {
        body = Broken::body(body, after, false);
    }
    Response::from_parts(parts, body)
}

/// One request with what is needed to answer it.
struct Call<'a> {
    cluster: &'a FakeCluster,
    settings: &'a Settings,
    method: &'a Method,
    headers: &'a HeaderMap,
    path: &'a str,
    pairs: Vec<(String, String)>,
    user: String,
}

impl Call<'_> {
    async fn answer(&self, body: Body) -> Response {
        if matches!(self.path, "/healthz" | "/livez" | "/readyz") {
            return "ok".into_response();
        }
        if let Some(answer) = discovery::answer(self.path, &self.settings.git_version) {
            return Json(answer).into_response();
        }
        let Ok(body) = to_bytes(body, MOST_BODY).await else {
            return status::of_code(StatusCode::PAYLOAD_TOO_LARGE);
        };
        if self.path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" {
            return self.access_review(&body);
        }
        let Some(target) = resources::target(self.path) else {
            return self.raw().unwrap_or_else(status::no_such_path);
        };
        let is_watch = self.flag("watch");
        let verb = match *self.method {
            Method::GET | Method::HEAD if target.name.is_some() => "get",
            Method::GET | Method::HEAD if is_watch => "watch",
            Method::GET | Method::HEAD => "list",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE => "delete",
            _ => return status::not_allowed(),
        };
        if self.settings.is_forbidden(verb, &target) {
            return status::forbidden(&self.user, verb, &target);
        }
        if let Some(answer) = self.raw() {
            return answer;
        }
        match (verb, target.name) {
            ("get", Some(name)) => self.get(&target, name),
            ("watch", _) => self.watch(&target),
            ("list", _) => self.list(&target),
            (verb, name) => self.write(verb, &target, name, &body),
        }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        query::first(&self.pairs, name)
    }

    fn flag(&self, name: &str) -> bool {
        matches!(self.parameter(name), Some("true" | "1"))
    }

    fn raw(&self) -> Option<Response> {
        let (_, answer) = self
            .settings
            .raw
            .iter()
            .find(|(path, _)| path == self.path)?;
        Some(Json(answer).into_response())
    }

    fn wants_metadata(&self) -> bool {
        let accept = self
            .headers
            .get(ACCEPT)
            .and_then(|value| value.to_str().ok());
        accept.is_some_and(|accept| accept.contains("as=PartialObjectMetadata"))
    }

    fn selectors(&self, target: &Target<'_>) -> Result<Selectors, Box<Response>> {
        Selectors::parse(
            target.resource.kind,
            self.parameter("fieldSelector"),
            self.parameter("labelSelector"),
        )
        .map_err(|message| Box::new(status::bad_request(&message)))
    }

    fn get(&self, target: &Target<'_>, name: &str) -> Response {
        if target.resource.kind == "Pod" && target.rest == Some("log") {
            return match self.find(target, name) {
                None => status::not_found(target.resource, name),
                Some(pod) => self.cluster.inner.store.log_of(&pod).into_response(),
            };
        }
        if target.rest.is_some_and(|rest| rest != "status") {
            return status::no_such_path();
        }
        match self.find(target, name) {
            None => status::not_found(target.resource, name),
            Some(object) if self.wants_metadata() => Json(partial(&object)).into_response(),
            Some(object) => Json(&*object).into_response(),
        }
    }

    fn find(&self, target: &Target<'_>, name: &str) -> Option<Arc<Value>> {
        let namespace = target.namespace.unwrap_or_default();
        let stored = self
            .cluster
            .inner
            .store
            .get(target.resource, namespace, name);
        stored.or_else(|| {
            let pods = self
                .settings
                .pods
                .as_ref()
                .filter(|_| target.resource.kind == "Pod")?;
            let mut out = Vec::new();
            pods.write(pods.find(namespace, name)?, &mut out);
            serde_json::from_slice(&out).ok().map(Arc::new)
        })
    }

    fn list(&self, target: &Target<'_>) -> Response {
        let selectors = match self.selectors(target) {
            Ok(selectors) => selectors,
            Err(refusal) => return *refusal,
        };
        let accepted = self
            .headers
            .get(ACCEPT_ENCODING)
            .and_then(|value| value.to_str().ok());
        let wanted = list::Wanted {
            limit: self.parameter("limit").and_then(|limit| limit.parse().ok()),
            continues: self
                .parameter("continue")
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
            resource_version: self.parameter("resourceVersion").map(str::to_owned),
            selectors,
            metadata_only: self.wants_metadata(),
            gzip: self.settings.compress && accepted.is_some_and(|text| text.contains("gzip")),
        };
        let inner = &self.cluster.inner;
        let generated = self
            .settings
            .pods
            .as_ref()
            .filter(|_| target.resource.kind == "Pod")
            .map(|pods| (Arc::clone(pods), pods.range(target.namespace)));
        let rows = Rows {
            stored: inner.store.list(target.resource, target.namespace),
            generated,
        };
        let expire = || {
            let left = &inner.expire_left;
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok()
        };
        list::page(
            target.resource,
            rows,
            &wanted,
            inner.store.version(),
            expire,
        )
    }

    fn watch(&self, target: &Target<'_>) -> Response {
        let selectors = match self.selectors(target) {
            Ok(selectors) => selectors,
            Err(refusal) => return *refusal,
        };
        let wanted = watch::Wanted {
            resource: target.resource,
            namespace: target.namespace.map(str::to_owned),
            selectors,
            metadata_only: self.wants_metadata(),
            after: self
                .parameter("resourceVersion")
                .and_then(|version| version.parse().ok()),
            initial: self.flag("sendInitialEvents"),
        };
        watch::watch(&self.cluster.inner.store, wanted)
    }

    /// Writes as far as a remedy needs them: whole objects, merge patches (strategic and apply
    /// patches are merged as such), deletes, and eviction as a delete.
    fn write(&self, verb: &str, target: &Target<'_>, name: Option<&str>, body: &[u8]) -> Response {
        let store = &self.cluster.inner.store;
        let namespace = target.namespace.unwrap_or_default();
        let dry_run = self.parameter("dryRun") == Some("All");
        let sent = || {
            serde_json::from_slice::<Value>(body)
                .ok()
                .filter(Value::is_object)
        };
        let put = |object: Value| {
            if dry_run {
                Ok(Arc::new(object))
            } else {
                store.put(object)
            }
        };
        let written = |result: Result<Arc<Value>, ObjectError>, code| match result {
            Ok(object) => (code, Json(&*object)).into_response(),
            Err(error) => status::bad_request(&error.to_string()),
        };
        match (verb, name) {
            ("create", Some(name)) if target.rest == Some("eviction") => {
                match store.remove(target.resource, namespace, name) {
                    Some(_) => success(StatusCode::CREATED),
                    None => status::not_found(target.resource, name),
                }
            }
            ("create", None) => {
                let Some(mut object) = sent() else {
                    return status::bad_request("the object provided is unrecognized");
                };
                complete(&mut object, target);
                let now = format!("{:.0}", self.settings.now());
                object["metadata"]["creationTimestamp"] = json!(now);
                if target.resource.kind == "Pod"
                    && let Err(message) = self.settings.admission.admit(namespace, &mut object)
                {
                    return status::refused(&message);
                }
                let name = object["metadata"]["name"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                if store.get(target.resource, namespace, &name).is_some() {
                    return status::conflict(target.resource, &name, "already exists");
                }
                let answer = written(put(object), StatusCode::CREATED);
                // Its owner may be gone already.
                store.collect_garbage();
                answer
            }
            ("update", Some(name)) => {
                let Some(mut object) = sent() else {
                    return status::bad_request("the object provided is unrecognized");
                };
                complete(&mut object, target);
                match store.get(target.resource, namespace, name) {
                    None => status::not_found(target.resource, name),
                    Some(before) if is_stale(&before, &object) => modified(target, name),
                    Some(_) => written(put(object), StatusCode::OK),
                }
            }
            ("patch", Some(name)) => {
                let Some(patch) = sent() else {
                    return status::of_code(StatusCode::UNSUPPORTED_MEDIA_TYPE);
                };
                match store.get(target.resource, namespace, name) {
                    None => status::not_found(target.resource, name),
                    Some(before) if is_stale(&before, &patch) => modified(target, name),
                    Some(before) => {
                        let mut object = (*before).clone();
                        merge(&mut object, &patch);
                        written(put(object), StatusCode::OK)
                    }
                }
            }
            ("delete", Some(name)) if dry_run => match self.find(target, name) {
                Some(_) => success(StatusCode::OK),
                None => status::not_found(target.resource, name),
            },
            ("delete", Some(name)) => match store.remove(target.resource, namespace, name) {
                Some(_) => {
                    store.collect_garbage();
                    success(StatusCode::OK)
                }
                None => status::not_found(target.resource, name),
            },
            _ => status::not_allowed(),
        }
    }

    /// Answers from the same rules that requests meet.
    fn access_review(&self, body: &[u8]) -> Response {
        // kubectl's own clients send protobuf, which is not read here.
        let Ok(mut review) = serde_json::from_slice::<Value>(body) else {
            return status::of_code(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        };
        let asked = review["spec"]["resourceAttributes"].clone();
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        let (verb, plural, subresource) = (text("verb"), text("resource"), text("subresource"));
        let group = text("group");
        let found = resources::RESOURCES
            .iter()
            .find(|resource| resource.plural == plural && resource.group == group);
        let (namespace, name) = (text("namespace"), text("name"));
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let allowed = found.is_some_and(|resource| {
            let (namespace, name, rest) = (some(&namespace), some(&name), some(&subresource));
            let target = Target {
                resource,
                namespace: namespace.as_deref(),
                name: name.as_deref(),
                rest: rest.as_deref(),
            };
            !self.settings.is_forbidden(&verb, &target)
        });
        review["status"] = json!({"allowed": allowed});
        (StatusCode::CREATED, Json(review)).into_response()
    }
}

fn success(code: StatusCode) -> Response {
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
    (code, Json(body)).into_response()
}

fn modified(target: &Target<'_>, name: &str) -> Response {
    status::conflict(
        target.resource,
        name,
        "the object has been modified; please apply your changes to the latest version and try \
         again",
    )
}

/// Whether a change names a version that is no longer the object's.
fn is_stale(before: &Value, change: &Value) -> bool {
    let version = |object: &Value| {
        object["metadata"]["resourceVersion"]
            .as_str()
            .map(str::to_owned)
    };
    version(change).is_some_and(|wanted| version(before) != Some(wanted))
}

/// Fills in what the path says already.
fn complete(object: &mut Value, target: &Target<'_>) {
    object["apiVersion"] = json!(target.resource.api_version());
    object["kind"] = json!(target.resource.kind);
    if let Some(namespace) = target.namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
}

/// JSON merge patch (RFC 7386).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            if let Some(map) = target.as_object_mut() {
                map.remove(key);
            }
        } else {
            merge(&mut target[key.as_str()], value);
        }
    }
}
