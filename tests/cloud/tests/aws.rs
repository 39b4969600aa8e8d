//! AWS's services as the Backend-Shim sees them, on stand-ins: the contract, with 32 callers at once.

use aws_sdk_dynamodb::{
    config::{BehaviorVersion, Credentials, Region},
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
        ProjectionType, ScalarAttributeType,
    },
};
use jointlambda::{
    Workflow,
    backend::{
        Backend,
        aws::{self, backend_with},
        conformance::{self, Subject},
    },
    deployment::{Names, from_toml},
};
use jointlambda_cloud_tests::Standin;

mod workflow {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("us-east-1");

        #[workflow]
        pub(crate) async fn two_steps(x: u64) -> u64 {
            let y = add(x).await;
            add(y).await
        }

        #[function(on = AWS)]
        async fn add(x: u64) -> u64 { x + 1 }
    }
}

const TABLE: &str = "rows";
const BUCKET: &str = "objects";
/// What a row takes of an item beside what the contract counts: names and counters.
const SLACK: usize = 200;

/// The table as `cargo jointlambda build` deploys it.
async fn create_table(url: &str) {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(url)
        .http_client(aws::http_client())
        .build();
    let client = aws_sdk_dynamodb::Client::from_conf(config);
    let attribute = |name, kind| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().expect("complete")
    };
    let key = |name, kind| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("complete")
    };
    let index = GlobalSecondaryIndex::builder()
        .index_name("due")
        .key_schema(key("shard", KeyType::Hash))
        .key_schema(key("check_at", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .expect("complete");
    client
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("key", ScalarAttributeType::S))
        .attribute_definitions(attribute("shard", ScalarAttributeType::S))
        .attribute_definitions(attribute("check_at", ScalarAttributeType::N))
        .key_schema(key("key", KeyType::Hash))
        .global_secondary_indexes(index)
        .send()
        .await
        .expect("the table can be made");
}

fn backend(url: &str) -> Backend {
    let text = format!("[clouds.AWS]\ntable = \"{TABLE}\"\nbucket = \"{BUCKET}\"\nendpoint = \"{url}\"\n");
    let definition = workflow::TwoSteps::definition();
    let settings = from_toml(&text, definition).expect("they are right");
    let credentials = aws::Credentials {
        access_key_id: "test".to_owned(),
        secret_access_key: "test".to_owned(),
        session_token: None,
    };
    backend_with(&settings[0], Names::of_definition(definition), credentials)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dynamodb_local_keeps_the_contract_of_a_table() {
    let standin = Standin::dynamodb_local();
    create_table(&standin.url).await;
    let subject = Subject::new(backend(&standin.url), "DynamoDB Local").with_slack(SLACK);
    conformance::run(conformance::table(), &subject).await.assert_passed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ministack_keeps_the_contract_of_a_table() {
    let standin = Standin::ministack();
    create_table(&standin.url).await;
    let subject = Subject::new(backend(&standin.url), "ministack").with_slack(SLACK);
    conformance::run(conformance::table(), &subject).await.assert_passed();
}
