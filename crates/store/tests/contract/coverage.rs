//! Whether the contract covers the catalogue: a statement that no case runs is one that nobody knows to work.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use vestibule_store::statements::Statement;

/// Collects the names of statements from the trace, on whatever thread they run.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<BTreeSet<String>>>);

impl tracing::field::Visit for Names {
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        if field.name() == "statement" {
            self.0.lock().unwrap().insert(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Names {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if event.metadata().target() == "vestibule::store" {
            event.record(&mut self.clone());
        }
    }
}

/// Runs `cases`, and fails unless they executed every statement of the catalogue. Since this holds for each store, no
/// statement runs on one of them only.
pub fn assert_all_executed(cases: impl Future<Output = ()>) {
    use tracing_subscriber::layer::SubscriberExt as _;
    let names = Names::default();
    // Global, because statements run on other threads. Other tests of this process only add names that were executed.
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(names.clone())).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(cases);
    let executed = names.0.lock().unwrap().clone();
    let missing: Vec<_> = Statement::ALL.iter().filter(|s| !executed.contains(s.name())).collect();
    assert!(missing.is_empty(), "never executed: {missing:?}");
    let known: BTreeSet<_> = Statement::ALL.iter().map(|s| s.name().to_owned()).collect();
    assert_eq!(executed.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
}
