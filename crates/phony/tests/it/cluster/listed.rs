//! Every node lists all nodes: their version, their calls, and whether they take more.

use phony_simulator::callers::{Action, Caller, Step, When};
use phony_simulator::openai::Brain;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::cluster::{TestCluster, action};
use crate::support::server::{CALLED, CALLER};
use crate::support::wait::cluster::{LIMIT, eventually};
use crate::support::wait::poll;

/// Waits until the list of nodes on node `on` is as expected.
async fn listed(
    cluster: &TestCluster,
    on: usize,
    what: &str,
    fits: impl Fn(&[Value]) -> bool,
) -> Vec<Value> {
    let last = std::cell::RefCell::new(Value::Null);
    let asked = poll(async || {
        let (status, body) = cluster.get(on, "/nodes").await;
        assert_eq!(status, 200);
        let nodes = body["nodes"].as_array().unwrap().clone();
        last.replace(body);
        fits(&nodes).then_some(nodes)
    });
    let nodes = timeout(LIMIT, asked).await.ok();
    nodes.unwrap_or_else(|| panic!("{what}: {:#}", last.borrow()))
}

fn of(nodes: &[Value], port: u16) -> &Value {
    let fits = |node: &&Value| node["port"] == json!(port);
    nodes.iter().find(fits).unwrap_or(&Value::Null)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_server_lists_all_and_says_how_they_are() {
    let mut cluster = TestCluster::start(3, 8.0, Brain::Echo).await;
    let ports: Vec<_> = cluster.nodes.iter().map(|node| node.port).collect();
    for at in 0..3 {
        // The first heartbeat is from before the node had reached the others.
        let ready = |port: &u16, nodes: &[Value]| of(nodes, *port)["state"] == "ready";
        let all = |nodes: &[Value]| ports.iter().all(|port| ready(port, nodes));
        let nodes = listed(&cluster, at, "all three", all).await;
        assert_eq!(nodes.len(), 3, "{nodes:#?}");
        for (of_node, port) in ports.iter().enumerate() {
            let node = of(&nodes, *port);
            assert_eq!(node["this"], json!(of_node == at), "{nodes:#?}");
            assert_eq!(node["activeCalls"], 0);
            assert_eq!(node["version"], env!("CARGO_PKG_VERSION"));
            for time in ["startedAt", "lastSeen"] {
                let text = node[time].as_str().unwrap();
                assert!(text.parse::<jiff::Timestamp>().is_ok(), "{time}: {text}");
            }
        }
    }

    // A call is seen on every node, whichever its socket reached.
    let never = Step::new(When::AgentFinished { quiet_ms: 1_000_000 }, Action::HangUp);
    let call = cluster.twilio.dial_in(CALLER, CALLED, Caller::Script(vec![never])).unwrap();
    let calls = |nodes: &[Value]| -> u64 {
        nodes.iter().map(|node| node["activeCalls"].as_u64().unwrap()).sum()
    };
    for at in 0..3 {
        listed(&cluster, at, "one call", |nodes| calls(nodes) == 1).await;
    }
    let (status, _) = cluster.post(0, "/override/end", &action(&call, &json!({}))).await;
    assert_eq!(status, 200);
    listed(&cluster, 0, "no call", |nodes| calls(nodes) == 0).await;

    // A killed node falls silent, a stopped one signs off.
    cluster.nodes[1].kill();
    let silent = |nodes: &[Value]| of(nodes, ports[1])["state"] == "silent";
    let nodes = listed(&cluster, 0, "silent", silent).await;
    assert_eq!(of(&nodes, ports[2])["state"], "ready", "{nodes:#?}");
    cluster.nodes[2].signal("-TERM");
    let gone = |nodes: &[Value]| of(nodes, ports[2]).is_null();
    listed(&cluster, 0, "gone", gone).await;
    assert_eq!(cluster.nodes[2].ended().await, Some(0));

    // Without the store a node knows only itself.
    cluster.redis_mut().kill();
    eventually(async || {
        let (_, body) = cluster.get(0, "/nodes").await;
        let alone = body["nodes"].as_array().is_some_and(|nodes| nodes.len() == 1);
        let reason = body["nodes"][0]["reason"].as_str().unwrap_or_default().to_owned();
        (alone && body["incomplete"] == true && reason.contains("Redis")).then_some(())
    })
    .await;
}
