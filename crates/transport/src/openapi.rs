//! The OpenAPI 3.1 document of endpoints.
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::endpoint::Shape;
use crate::{header, path};

/// An endpoint and where its schemas come from.
pub(crate) struct Described {
    shape: Shape,
    stream: bool,
    request: fn(&mut SchemaGenerator) -> Schema,
    response: fn(&mut SchemaGenerator) -> Schema,
}

impl Described {
    pub(crate) fn call<Q: JsonSchema, R: JsonSchema>(shape: Shape) -> Self {
        // The request's own fields are spread over parameters, so its schema is taken whole, not by reference.
        Self { shape, stream: false, request: Q::json_schema, response: SchemaGenerator::subschema_for::<R> }
    }

    pub(crate) fn stream<Q: JsonSchema, T: JsonSchema>(shape: Shape) -> Self {
        Self { stream: true, ..Self::call::<Q, T>(shape) }
    }

    fn operation(&self, generator: &mut SchemaGenerator) -> Value {
        let fields = Fields::of((self.request)(generator).to_value());
        let (in_path, rest) = fields.part(&self.shape);
        let mut parameters: Vec<Value> = in_path
            .into_iter()
            .map(|(name, schema)| json!({ "name": name, "in": "path", "required": true, "schema": schema }))
            .collect();
        let mut operation = json!({
            "operationId": operation_id(&self.shape),
            "responses": self.responses(generator),
        });
        if !self.shape.summary.is_empty() {
            operation["summary"] = self.shape.summary.into();
        }
        if self.shape.method.has_body() {
            if let Some(body) = rest.body() {
                operation["requestBody"] = body;
            }
        } else {
            parameters.extend(rest.query());
        }
        parameters.extend(self.header_parameters());
        operation["parameters"] = parameters.into();
        operation
    }

    fn header_parameters(&self) -> Vec<Value> {
        let reference = |name: &str| json!({ "$ref": format!("#/components/parameters/{name}") });
        let mut parameters = vec![reference("Timeout")];
        if self.shape.keyed {
            parameters.push(reference("IdempotencyKey"));
        }
        if self.stream {
            parameters.push(reference("LastEventId"));
        }
        parameters
    }

    fn responses(&self, generator: &mut SchemaGenerator) -> Value {
        let schema = (self.response)(generator).to_value();
        let (media_type, description) = if self.stream {
            (header::EVENT_STREAM, "Server-sent events, each with an id and with data as the schema says")
        } else {
            (header::JSON, "The response")
        };
        json!({
            "200": { "description": description, "content": { media_type: { "schema": schema } } },
            "default": { "$ref": "#/components/responses/Problem" },
        })
    }
}

/// The document of these endpoints. A type's schema has one place in it, whatever endpoints use it.
pub(crate) fn document<'a>(
    title: &str,
    version: &str,
    endpoints: impl Iterator<Item = &'a Described>,
) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for endpoint in endpoints {
        let operation = endpoint.operation(&mut generator);
        let item = paths.entry(endpoint.shape.path).or_insert_with(|| json!({}));
        item[endpoint.shape.method.as_str().to_ascii_lowercase()] = operation;
    }
    let schemas = generator.take_definitions(true);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": title, "version": version },
        "paths": paths,
        "components": { "schemas": schemas, "parameters": parameters(), "responses": { "Problem": problem() } },
    });
    unlink(&mut document);
    document
}

/// Descriptions come from doc comments, whose links to other items lead nowhere outside of Rust.
fn unlink(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(unlink),
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.replace("[`", "`").replace("`]", "`");
            }
            fields.values_mut().for_each(unlink);
        }
        _ => {}
    }
}

fn parameters() -> Value {
    json!({
        "Timeout": {
            "name": header::name::TIMEOUT, "in": "header", "required": false,
            "description": "What is left of the caller's budget, in milliseconds. The endpoint's own limit is never exceeded.",
            "schema": { "type": "integer", "minimum": 0 },
        },
        "IdempotencyKey": {
            "name": header::IDEMPOTENCY_KEY.as_str(), "in": "header", "required": true,
            "description": "The same for every repeat of one request: a repeat gets the kept answer, another request a conflict.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        },
        "LastEventId": {
            "name": header::LAST_EVENT_ID.as_str(), "in": "header", "required": false,
            "description": "The last event that the client saw: the stream goes on after it.",
            "schema": { "type": "integer", "minimum": 0 },
        },
    })
}

fn problem() -> Value {
    json!({
        "description": "What went wrong (RFC 9457)",
        "content": { header::PROBLEM_JSON: { "schema": {
            "type": "object",
            "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": { "type": "string", "description": "`urn:staffa:problem:` and the kind of failure" },
                "title": { "type": "string" },
                "status": { "type": "integer" },
                "detail": { "type": "string", "description": "One sentence that says what to do" },
                "details": { "description": "The failure as data" },
                "request_id": { "type": "string" },
                "trace_id": { "type": "string", "pattern": "^[0-9a-f]{32}$" },
            },
        } } },
    })
}

fn operation_id(shape: &Shape) -> String {
    let mut id = shape.method.as_str().to_ascii_lowercase();
    for part in shape.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
        id.push('_');
        id.push_str(part);
    }
    id
}

/// A request's schema, spread over the places where its fields travel.
struct Fields {
    schema: Value,
    properties: Map<String, Value>,
    required: Vec<String>,
}

impl Fields {
    fn of(mut schema: Value) -> Self {
        let properties = match schema.get_mut("properties").map(Value::take) {
            Some(Value::Object(properties)) => properties,
            _ => Map::new(),
        };
        let required = match schema.get_mut("required").map(Value::take) {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        Self { schema, properties, required }
    }

    /// The parameters of the path, and the rest.
    fn part(mut self, shape: &Shape) -> (Vec<(&'static str, Value)>, Self) {
        let is_plain = self.properties.is_empty();
        let take = |name: &'static str| {
            let schema = self.properties.remove(name);
            let plain = || if is_plain { std::mem::take(&mut self.schema) } else { Value::Null };
            let schema = schema.unwrap_or_else(plain);
            (name, if schema.is_null() { json!({ "type": "string" }) } else { schema })
        };
        let in_path: Vec<_> = path::params(shape.path).map(take).collect();
        self.required.retain(|name| !in_path.iter().any(|(taken, _)| taken == name));
        (in_path, self)
    }

    fn query(self) -> impl Iterator<Item = Value> {
        let required = self.required;
        self.properties.into_iter().map(move |(name, schema)| {
            let required = required.contains(&name);
            json!({ "name": name, "in": "query", "required": required, "schema": schema })
        })
    }

    fn body(self) -> Option<Value> {
        let Value::Object(mut schema) = self.schema else { return None };
        let is_object = schema.get("type") == Some(&json!("object")) || schema.contains_key("properties");
        if is_object {
            if self.properties.is_empty() {
                return None;
            }
            schema.insert("properties".into(), self.properties.into());
            schema.insert("required".into(), self.required.into());
            schema.insert("additionalProperties".into(), false.into());
        } else if schema.get("type") == Some(&json!("null")) {
            return None;
        }
        Some(json!({ "required": true, "content": { header::JSON: { "schema": schema } } }))
    }
}
