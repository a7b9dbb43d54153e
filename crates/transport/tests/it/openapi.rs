use serde_json::{Value, json};
use staffa_context::Context;
use staffa_transport::{Routes, Server, ServerContext, join, openapi, openapi_route};

use crate::raw::{bare, send};
use crate::shop::{routes, shop};

fn document() -> Value {
    let (shop, _seen) = shop();
    routes(&shop).openapi("shop", "1.0.0")
}

/// Every reference in a document.
fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().flat_map(references).collect(),
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str);
            own.into_iter().chain(fields.values().flat_map(references)).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let references = references(&document);
    assert!(references.contains(&"#/components/schemas/Placed"));
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn every_operation_declares_its_path_parameters_answers_and_a_name_of_its_own() {
    let document = document();
    let mut ids = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().unwrap();
            for segment in path.split('/').filter_map(|segment| segment.strip_prefix('{')) {
                let name = segment.trim_end_matches('}');
                let found = parameters.iter().find(|parameter| parameter["name"] == name).unwrap();
                assert_eq!((&found["in"], &found["required"]), (&json!("path"), &json!(true)), "{path}");
            }
            assert!(parameters.iter().all(|parameter| {
                parameter.get("$ref").is_some()
                    || parameter["schema"].is_object()
                    || parameter["schema"].is_boolean()
            }));
            assert!(operation["responses"]["200"]["description"].is_string(), "{method} {path}");
            assert!(operation["responses"]["default"].is_object(), "{method} {path}");
            assert_eq!(
                operation.get("requestBody").is_some(),
                matches!(path.as_str(), "/orders" | "/echo"),
                "{path}"
            );
            ids.push(operation["operationId"].as_str().unwrap());
        }
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[test]
fn fields_are_where_they_travel() {
    let document = document();
    let browse = &document["paths"]["/shelves/{shelf}"]["get"]["parameters"];
    let place = |parameter: &'_ Value| -> Option<(String, String, bool)> {
        let text = |name| parameter[name].as_str().map(str::to_owned);
        Some((text("name")?, text("in")?, parameter["required"].as_bool()?))
    };
    let mut places: Vec<_> = browse.as_array().unwrap().iter().filter_map(place).collect();
    places.sort_unstable();
    let places: Vec<_> =
        places.iter().map(|(name, place, required)| (&**name, &**place, *required)).collect();
    assert_eq!(
        places,
        [
            ("limit", "query", false),
            ("prefix", "query", false),
            ("shelf", "path", true),
            ("tags", "query", false)
        ]
    );
    let number = &document["paths"]["/orders/{number}"]["get"]["parameters"][0];
    assert_eq!((&number["name"], &number["schema"]["type"]), (&json!("number"), &json!("integer")));
    let place = &document["paths"]["/orders"]["post"];
    assert_eq!(place["summary"], "Place an order");
    assert!(references(place).contains(&"#/components/parameters/IdempotencyKey"));
    let body = &place["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["required"], json!(["lines"]));
    assert_eq!(body["additionalProperties"], json!(false));
    let count = &document["paths"]["/count/{number}"]["get"];
    assert!(count["responses"]["200"]["content"]["text/event-stream"]["schema"].is_object());
}

#[test]
fn what_a_doc_comment_links_to_is_named_only() {
    let number = &document()["components"]["schemas"]["Placed"]["properties"]["number"];
    assert_eq!(number["description"], "Unique: a key of `Placed`.");
}

#[tokio::test]
async fn one_document_for_all_services_is_served() {
    let (shop, _seen) = shop();
    let (first, second) = (routes(&shop), Routes::new());
    let document = openapi("both", "2", [&first, &second]);
    let ctx = Context::background();
    let server = ServerContext::new(&ctx);
    let router =
        join(&ctx, [first.into_router(&server), second.into_router(&server), openapi_route(&document)]);
    let bound = Server::bind("127.0.0.1:0".parse().unwrap(), server.limits.clone()).await.unwrap();
    let address = bound.local_addr().unwrap();
    let work = server.work.clone();
    let serving = tokio::spawn(async move { bound.serve(&ctx, router, &work, std::future::pending()).await });
    let answer = send(address, &bare("GET", "/openapi.json", "")).await.unwrap();
    assert_eq!(answer.json(), document);
    serving.abort();
}
