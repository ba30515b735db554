//! Events are kept until every output has them, and found again where it has not.

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::super::StoredEvent;
use super::*;

fn line(number: u64) -> Bytes {
    format!("{{\"number\":{number}}}\n").into()
}

fn stored(seq: u64, outputs: u8) -> StoredEvent {
    StoredEvent { seq, outputs, line: line(seq) }
}

/// Settles a call with an event; its line is what its number will be.
async fn keep(scribe: &Scribe, seq: u64, outputs: u8) {
    let id = call(&record(seq), 0);
    let kept = scribe.settle(&id, settled(State::Delivered, 0), Some((outputs, line(seq)))).await.unwrap();
    assert_eq!(kept, Some(seq));
}

async fn emitted(scribe: &Scribe, output: u8, seqs: &[u64]) {
    let (scribe, seqs) = (scribe.clone(), seqs.to_vec());
    spawn_blocking(move || scribe.emitted(output, &seqs)).await.unwrap();
}

async fn finished(closing: Closing) -> Left {
    spawn_blocking(|| finish(closing)).await.unwrap()
}

#[tokio::test]
async fn events_that_an_output_missed_are_found_in_order_with_the_outputs_that_miss_them() {
    let place = Place::new();
    let (scribe, closing) = place.run();
    for (seq, outputs) in [(1, 0b01), (2, 0b11), (3, 0b11), (4, 0b01), (5, 0b10)] {
        keep(&scribe, seq, outputs).await;
    }
    emitted(&scribe, 0, &[1, 2, 4]).await;
    emitted(&scribe, 1, &[2, 5]).await;
    // Also the marks alone reach the file, with nothing settled behind them.
    assert_eq!(finished(closing).await.unemitted, 1);
    let ledger = place.open();
    assert_eq!(ledger.unemitted(0, 100).unwrap(), [stored(3, 0b11)]);

    let mut leftovers = ledger.leftovers().unwrap();
    let (scribe, closing) = start(ledger);
    let new = call(&record(6), 0);
    let new =
        scribe.settle(&new, settled(State::Delivered, 0), Some((0b01, line(6)))).await.unwrap().unwrap();
    assert!(new > 3);
    assert_eq!(leftovers.next(100).unwrap(), [stored(3, 0b11)]);
    assert_eq!(leftovers.next(100).unwrap(), []);
    emitted(&scribe, 0, &[3, new]).await;
    assert_eq!(finished(closing).await.unemitted, 1);
    assert_eq!(place.open().unemitted(0, 100).unwrap(), [stored(3, 0b10)]);
}

#[tokio::test]
async fn numbers_go_on_where_all_events_are_gone() {
    let place = Place::new();
    for seq in 1..=3 {
        let (scribe, closing) = place.run();
        keep(&scribe, seq, 1).await;
        emitted(&scribe, 0, &[seq]).await;
        assert_eq!(finished(closing).await.unemitted, 0);
        assert_eq!(place.open().unemitted(0, 100).unwrap(), []);
    }
}

#[tokio::test]
async fn many_events_are_read_page_by_page_and_long_ones_in_shorter_pages() {
    let place = Place::new();
    let (scribe, closing) = place.run();
    for seq in 1..=10 {
        keep(&scribe, seq, 1).await;
    }
    let long = Bytes::from(vec![b'x'; 3 * 1024 * 1024]);
    for number in 11..=15 {
        let event = Some((1, long.clone()));
        scribe.settle(&call(&record(number), 0), settled(State::Failed, 0), event).await.unwrap();
    }
    finished(closing).await;
    let ledger = place.open();
    let pages = |next: &mut dyn FnMut(u64) -> Vec<StoredEvent>| {
        let (mut lengths, mut seqs) = (Vec::new(), vec![0]);
        loop {
            let page = next(seqs[seqs.len() - 1]);
            if page.is_empty() {
                assert_eq!(seqs, (0..=15).collect::<Vec<_>>());
                return lengths;
            }
            lengths.push(page.len());
            seqs.extend(page.iter().map(|event| event.seq));
        }
    };
    assert_eq!(pages(&mut |after| ledger.unemitted(after, 4).unwrap()), [4, 4, 4, 2, 1]);
    let mut leftovers = ledger.leftovers().unwrap();
    assert_eq!(pages(&mut |_| leftovers.next(10).unwrap()), [10, 2, 2, 1]);
}

#[tokio::test]
async fn many_callers_at_once_get_each_its_own_number_and_the_file_stays_small() {
    let place = Place::new();
    let (scribe, closing) = place.run();
    let callers: Vec<_> = (0..64)
        .map(|caller| {
            let scribe = scribe.clone();
            tokio::spawn(async move {
                let mut seqs = Vec::new();
                for i in 0..40 {
                    let id = call(&record(caller * 1000 + i), 0);
                    scribe.intend(&id, LEFT).await.unwrap();
                    let event = Some((1, Bytes::from(vec![b'x'; 1000])));
                    let seq = scribe.settle(&id, settled(State::Delivered, 3), event).await.unwrap().unwrap();
                    emitted(&scribe, 0, &[seq]).await;
                    seqs.push(seq);
                }
                assert!(seqs.is_sorted());
                seqs
            })
        })
        .collect();
    let mut seqs = Vec::new();
    for caller in callers {
        seqs.extend(caller.await.unwrap());
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=2560).collect::<Vec<_>>());
    assert_eq!(finished(closing).await, Left { open_intents: 0, unknown: 0, unemitted: 0 });
    // Lines that were taken make room for the next: 2.5 MB went through it.
    let bytes = std::fs::metadata(place.path()).unwrap().len();
    assert!(bytes < 1_000_000, "{bytes}");
}

#[tokio::test]
async fn an_outbox_hands_out_what_its_output_misses_once_and_in_order_while_the_run_goes_on() {
    let place = Place::new();
    let (scribe, closing) = place.run();
    for (seq, outputs) in [(1, 0b1000), (2, 0b0001), (3, 0b1001), (4, 0b1000), (5, 0b1000)] {
        keep(&scribe, seq, outputs).await;
    }
    scribe.taken(3, vec![1, 4]).await;
    finished(closing).await;

    let ledger = place.open();
    let (mut all, mut old) = (ledger.outbox(3, true).unwrap(), ledger.outbox(3, false).unwrap());
    let (scribe, closing) = start(ledger);
    // The fourth was taken out of turn, and is gone.
    assert_eq!((all.left().unwrap(), old.left().unwrap()), (2, 2));
    assert_eq!(all.next(1).unwrap(), [stored(3, 0b1000)]);
    keep(&scribe, 6, 0b1000).await;
    keep(&scribe, 7, 0b0001).await;
    assert_eq!(all.next(100).unwrap(), [stored(5, 0b1000), stored(6, 0b1000)]);
    assert_eq!(old.next(100).unwrap(), [stored(3, 0b1000), stored(5, 0b1000)]);
    assert_eq!((all.next(100).unwrap(), old.next(100).unwrap()), (vec![], vec![]));
    keep(&scribe, 8, 0b1000).await;
    assert_eq!((all.left().unwrap(), old.left().unwrap()), (1, 0));
    assert_eq!(all.next(100).unwrap(), [stored(8, 0b1000)]);
    drop((all, old));
    finished(closing).await;

    // What only takes what was missed is no run.
    let ledger = place.open();
    let mut outbox = ledger.outbox(3, false).unwrap();
    let (scribe, closing) = ledger.start_without_run(Box::new(|error| panic!("{error:?}"))).unwrap();
    let seqs: Vec<u64> = outbox.next(100).unwrap().iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [3, 5, 6, 8]);
    scribe.taken(3, seqs).await;
    drop(outbox);
    // Those that another output misses stay.
    assert_eq!(finished(closing).await.unemitted, 3);
    let status = super::super::Inspection::open(&place.path()).unwrap().status().unwrap();
    assert_eq!(status.runs, 2);
}
