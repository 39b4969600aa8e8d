//! Functions created, read, updated and deleted; their asynchronous settings and tasks.

use std::sync::{Arc, Mutex};

use aliyun_wire::{digest, time};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value as Json, json};

use super::{
    FunctionCompute,
    function::{AsyncConfig, Code, Config, Function, invalid},
    lock, package,
    pool::Pool,
    unsupported,
};
use crate::http::{Refusal, Request, Response};

/// The largest package, of a request and in base64.
const MAX_PACKAGE: usize = 100 * 1024 * 1024;

/// What a request asks for, by its method and the path after `functions`.
pub(super) fn operation(method: &str, parts: &[&str]) -> &'static str {
    match (method, parts) {
        ("POST", []) => "CreateFunction",
        ("GET", []) => "ListFunctions",
        ("GET", [_]) => "GetFunction",
        ("PUT", [_]) => "UpdateFunction",
        ("DELETE", [_]) => "DeleteFunction",
        ("POST", [_, "invocations"]) => "InvokeFunction",
        ("PUT", [_, "async-invoke-config"]) => "PutAsyncInvokeConfig",
        ("GET", [_, "async-invoke-config"]) => "GetAsyncInvokeConfig",
        ("DELETE", [_, "async-invoke-config"]) => "DeleteAsyncInvokeConfig",
        ("GET", [_, "async-tasks"]) => "ListAsyncTasks",
        ("GET", [_, "async-tasks", _]) => "GetAsyncTask",
        ("PUT", [_, "async-tasks", _, "stop"]) => "StopAsyncTask",
        _ => "",
    }
}

impl FunctionCompute {
    pub(super) async fn control(
        self: &Arc<Self>,
        operation: &str,
        parts: &[&str],
        request: &Request,
    ) -> Result<Response, Refusal> {
        let name = parts.first().copied().unwrap_or_default();
        let task = parts.get(2).copied().unwrap_or_default();
        match operation {
            "CreateFunction" => {
                let body = body(request)?;
                let function = self.make(body, None)?;
                let mut functions = lock(&self.functions);
                let name = function.config.function_name.clone();
                if functions.contains_key(&name) {
                    return Err(Refusal::new(
                        409,
                        "FunctionAlreadyExists",
                        format!("function '{name}' already exists"),
                    ));
                }
                let answer = self.describe(&function);
                functions.insert(name, Arc::new(function));
                Ok(ok(answer))
            }
            "UpdateFunction" => {
                let before = self.function(name)?;
                let function = self.make(body(request)?, Some(&before))?;
                let answer = self.describe(&function);
                lock(&self.functions).insert(name.to_owned(), Arc::new(function));
                self.retire(&before);
                Ok(ok(answer))
            }
            "GetFunction" => Ok(ok(self.describe(&*self.function(name)?))),
            "ListFunctions" => {
                let query = Query::of(request)?;
                let functions = lock(&self.functions);
                let named = functions.iter().map(|(name, function)| (name.as_str(), function));
                let (page, next) = query.page(named);
                let page: Vec<_> = page.into_iter().map(|function| self.describe(function)).collect();
                Ok(ok(json!({ "functions": page, "nextToken": next })))
            }
            "DeleteFunction" => {
                let function = self.function(name)?;
                lock(&self.functions).remove(name);
                self.retire(&function);
                Ok(Response::new(204, ""))
            }
            "PutAsyncInvokeConfig" => {
                let function = self.function(name)?;
                let config: AsyncConfig =
                    serde_json::from_slice(&request.body).map_err(|error| invalid(error.to_string()))?;
                config.check()?;
                *lock(&function.asynchronous) = Some(config.clone());
                Ok(ok(self.describe_async(&function, &config)))
            }
            "GetAsyncInvokeConfig" => {
                let function = self.function(name)?;
                let config = lock(&function.asynchronous).clone().ok_or_else(no_async_config)?;
                Ok(ok(self.describe_async(&function, &config)))
            }
            "DeleteAsyncInvokeConfig" => {
                let function = self.function(name)?;
                lock(&function.asynchronous).take().ok_or_else(no_async_config)?;
                Ok(Response::new(204, ""))
            }
            "ListAsyncTasks" => {
                self.function(name)?;
                let query = Query::of(request)?;
                let tasks = self.queue.tasks(name);
                let wanted = query.value("status");
                let named =
                    tasks.iter().filter(|(_, task)| wanted.is_none_or(|status| task["status"] == status));
                let (page, next) = query.page(named.map(|(id, task)| (id.as_str(), task)));
                Ok(ok(json!({ "tasks": page, "nextToken": next })))
            }
            "GetAsyncTask" => self.queue.task(name, task).map(ok).ok_or_else(|| no_task(task)),
            "StopAsyncTask" if self.queue.stop(name, task) => Ok(Response::new(204, "")),
            "StopAsyncTask" => Err(no_task(task)),
            _ => Err(unsupported(request)),
        }
    }

    /// A function of a request's body, laid over what there was.
    fn make(&self, mut body: Map<String, Json>, before: Option<&Function>) -> Result<Function, Refusal> {
        let code = match body.remove("code").filter(|code| !code.is_null()) {
            None => before.and_then(|before| before.code.clone()),
            Some(code) => Some(self.code(&code)?),
        };
        let mut settings = match before {
            None => Map::new(),
            Some(before) => match serde_json::to_value(&before.config) {
                Ok(Json::Object(settings)) => settings,
                _ => Map::new(),
            },
        };
        settings.extend(body.into_iter().filter(|(_, value)| !value.is_null()));
        let config: Config =
            serde_json::from_value(Json::Object(settings)).map_err(|error| invalid(error.to_string()))?;
        config.check()?;
        let now = time::seconds(self.world.clock.now());
        Ok(Function {
            pool: Pool::new(self.world.options.max_instances),
            created: before.map_or_else(|| now.clone(), |before| before.created.clone()),
            modified: now,
            asynchronous: Mutex::new(before.and_then(|before| lock(&before.asynchronous).clone())),
            config,
            code,
        })
    }

    fn code(&self, code: &Json) -> Result<Code, Refusal> {
        let text = |name: &str| code.get(name).and_then(Json::as_str);
        let bytes = match (text("zipFile"), text("ossBucketName"), text("ossObjectName")) {
            (Some(zip), ..) => STANDARD.decode(zip).map_err(|_| invalid("code.zipFile is not base64"))?,
            (None, Some(bucket), Some(key)) => {
                let object = self.oss.object(bucket, key);
                object
                    .ok_or_else(|| invalid(format!("object '{key}' of bucket '{bucket}' does not exist")))?
                    .to_vec()
            }
            _ => return Err(invalid("code has neither zipFile nor ossBucketName and ossObjectName")),
        };
        if bytes.len() > MAX_PACKAGE {
            return Err(invalid(format!("the package is over {MAX_PACKAGE} bytes")));
        }
        let checksum = digest::crc64(&bytes).to_string();
        if text("checksum").is_some_and(|sent| sent != checksum) {
            return Err(invalid("code.checksum is not the CRC-64 of the package"));
        }
        let folder = self.folder.join("code").join(format!("{checksum}-{:x}", fastrand::u64(..)));
        package::unpack(&bytes, &folder)
            .map_err(|error| invalid(format!("failed to unpack the package: {error}")))?;
        Ok(Code { folder, checksum, bytes: bytes.len() })
    }

    fn describe(&self, function: &Function) -> Json {
        let mut about = serde_json::to_value(&function.config).unwrap_or_default();
        let arn = self.arn(&function.config.function_name);
        let code = function.code.as_ref();
        let more = json!({
            "functionArn": arn,
            "functionId": arn,
            "codeChecksum": code.map(|code| code.checksum.clone()),
            "codeSize": code.map(|code| code.bytes),
            "createdTime": function.created,
            "lastModifiedTime": function.modified,
            "state": "Active",
            "lastUpdateStatus": "Successful",
        });
        if let (Json::Object(about), Json::Object(more)) = (&mut about, more) {
            about.extend(more);
        }
        about
    }

    fn describe_async(&self, function: &Function, config: &AsyncConfig) -> Json {
        let mut about = serde_json::to_value(config).unwrap_or_default();
        about["functionArn"] = self.arn(&function.config.function_name).into();
        about["createdTime"] = function.modified.clone().into();
        about["lastModifiedTime"] = function.modified.clone().into();
        about
    }
}

/// What a listing asks for.
struct Query(Vec<(String, Option<String>)>);

impl Query {
    fn of(request: &Request) -> Result<Self, Refusal> {
        request.query().map(Query).map_err(|error| invalid(error.to_string()))
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(has, _)| has == name).and_then(|(_, value)| value.as_deref())
    }

    /// Those whose names have the prefix, after the last of the page before; and where the next page goes on.
    fn page<'a, T>(&self, named: impl Iterator<Item = (&'a str, T)>) -> (Vec<T>, Option<String>) {
        let (prefix, after) =
            (self.value("prefix").unwrap_or_default(), self.value("nextToken").unwrap_or_default());
        let limit = self.value("limit").and_then(|limit| limit.parse().ok()).unwrap_or(20).clamp(1, 100);
        let mut found: Vec<_> =
            named.filter(|(name, _)| name.starts_with(prefix) && *name > after).take(limit + 1).collect();
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(name, _)| (*name).to_owned());
        (found.into_iter().map(|(_, one)| one).collect(), next)
    }
}

fn body(request: &Request) -> Result<Map<String, Json>, Refusal> {
    serde_json::from_slice(&request.body)
        .map_err(|error| invalid(format!("the body is not a JSON object: {error}")))
}

fn ok(body: Json) -> Response {
    Response::new(200, body.to_string()).header("content-type", "application/json")
}

fn no_async_config() -> Refusal {
    Refusal::new(404, "AsyncConfigNotExists", "the function has no async invoke config")
}

fn no_task(id: &str) -> Refusal {
    Refusal::new(404, "AsyncTaskNotFound", format!("async task '{id}' does not exist"))
}
