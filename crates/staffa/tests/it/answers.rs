use staffa::storage::Page;
use staffa::transport::CallKey;
use staffa::{Kind, Repository};

use crate::orders::{Order, PLACE, Place, compose};
use crate::stores::Folder;

#[tokio::test]
async fn a_repeated_key_gets_the_kept_answer_and_another_body_is_refused() {
    let folder = Folder::new();
    for url in ["memory:".to_owned(), folder.url()] {
        let service = staffa::test::start_on(&url, compose, ()).await;
        let ctx = service.context().with_value(CallKey("order-1".to_owned()));
        let first = service.client().call(&ctx, PLACE, Place { units: 3 }).await.unwrap();
        let again = service.client().call(&ctx, PLACE, Place { units: 3 }).await.unwrap();
        assert_eq!(again, first, "{url}");

        let other = service.client().call(&ctx, PLACE, Place { units: 4 }).await.unwrap_err();
        assert_eq!(other.kind, Kind::Conflict, "{url}: {other:?}");

        let orders = Repository::<Order>::new(&service.stores("test")[0]);
        let all = orders.all(&ctx, Page::default()).await.unwrap();
        assert_eq!(all.items, [first], "{url}");
        service.stop().await;
    }
}

#[tokio::test]
async fn a_kept_answer_outlives_the_process() {
    let folder = Folder::new();
    let mut answers = Vec::new();
    for _ in 0..2 {
        let service = staffa::test::start_on(&folder.url(), compose, ()).await;
        let ctx = service.context().with_value(CallKey("order-1".to_owned()));
        answers.push(service.client().call(&ctx, PLACE, Place { units: 3 }).await.unwrap());
        service.stop().await;
    }
    assert_eq!(answers[0], answers[1]);
}
