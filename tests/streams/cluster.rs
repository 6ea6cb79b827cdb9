//! The streams on Redis Cluster: a prefix in braces keeps them together, and whichever server is configured, the one that has
//! them is used.

use crate::{
    house::{Place, eventually, request, sqlite},
    support::Cluster,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_in_braces_keeps_all_streams_on_one_server_of_a_cluster() {
    let cluster = Cluster::start();
    let (owner, others) = cluster.owner_and_others("{sluice}:requests");
    let mut place = Place::named(&cluster.0[others[0]], sqlite(), "", "{sluice}".to_owned()).await;
    let producer = redis::Client::open(cluster.0[owner].url()).unwrap();
    place.redis = producer.get_multiplexed_async_connection().await.unwrap();
    place.add(request("one").to_string()).await;
    place.add("no request").await;
    let worker = place.worker().await;
    place.is_settled().await;
    assert_eq!((worker.requests().await.len(), place.rejections().await.len()), (1, 1));
    eventually("the request's event", async || (!place.entries("events").await.is_empty()).then_some(()))
        .await;
    worker.stop().await;
    assert!(others.iter().all(|at| cluster.0[*at].keys().is_empty()));
}
