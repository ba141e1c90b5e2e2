//! Everything that a store returns, as lines.

use super::*;

const STREAMS: [Stream; 2] = [Stream::Contacts, Stream::Statuses];

/// Everything but the numbers of ranges, which a store may choose.
pub(super) async fn dump(store: &dyn Store) -> Vec<String> {
    let mut read = store.read().await.unwrap();
    let mut lines = Vec::new();
    for integration in read.integrations().await.unwrap() {
        let id = integration.id;
        assert_eq!(read.integration_by_id(id).await.unwrap().as_ref(), Some(&integration));
        lines.push(format!("{integration:?}"));
        for kind in [SubjectKind::Queue, SubjectKind::Agent, SubjectKind::Status] {
            for subject in read.subjects(id, kind).await.unwrap() {
                lines.push(format!("{subject:?}"));
                for layer in [Layer::History, Layer::Live, Layer::Sums, Layer::Sent].into_iter().chain(Layer::ARRIVED) {
                    let all = ChunkRange { subject: subject.id, layer, from: i32::MIN, to: i32::MAX };
                    lines.extend(read.chunks(&[all]).await.unwrap().iter().map(|chunk| format!("{chunk:?}")));
                }
                for stream in STREAMS {
                    let stream = StreamId { integration: id, stream };
                    let covered = read.coverage(stream, Some(subject.id), window(i64::MIN, i64::MAX)).await.unwrap();
                    lines.extend(covered.iter().map(|covered| format!("{stream:?} {covered:?}")));
                }
            }
        }
        for stream in STREAMS {
            let stream = StreamId { integration: id, stream };
            let covered = read.coverage(stream, None, window(i64::MIN, i64::MAX)).await.unwrap();
            lines.extend(covered.iter().map(|covered| format!("{stream:?} {covered:?}")));
            let all = read.coverage_of_all(stream, window(i64::MIN, i64::MAX)).await.unwrap();
            lines.extend(all.iter().map(|covered| format!("all {stream:?} {covered:?}")));
            let some = read.coverage_of_all(stream, window(4, 9)).await.unwrap();
            lines.extend(some.iter().map(|covered| format!("some {stream:?} {covered:?}")));
            let ranges = read.ranges(stream).await.unwrap();
            lines.extend(ranges.into_iter().map(|range| format!("{:?}", RangeRecord { id: 0, ..range })));
            lines.push(format!("{:?}", read.mark(stream).await.unwrap()));
            for key in ["a", "b", ""] {
                lines.push(format!("{:?}", read.last_import(stream, key).await.unwrap()));
            }
            lines.push(format!("{:?}", read.quarantined(stream).await.unwrap()));
        }
        lines.push(format!("{:?}", read.imports(id, 3).await.unwrap()));
        lines.extend(read.imports(id, u32::MAX).await.unwrap().iter().map(|import| format!("{import:?}")));
        for after in 0..3 {
            lines.push(format!("{:?}", read.imported_since(id, after).await.unwrap()));
        }
        lines.extend(read.quarantine(id).await.unwrap().iter().map(|rows| format!("{rows:?}")));
        lines.extend(read.work(Some(id)).await.unwrap().iter().map(|work| format!("{work:?}")));
        lines.extend(read.mappings(id).await.unwrap().iter().map(|mapping| format!("{mapping:?}")));
    }
    lines.extend(read.work(None).await.unwrap().iter().map(|work| format!("{work:?}")));
    for lane in [Lane::Live, Lane::Deliveries, Lane::StatusesBackfill] {
        lines.push(format!("{:?}", read.next_claim(&[lane, Lane::Contacts], &NONE).await.unwrap()));
    }
    for key in ["a", "b"] {
        lines.push(format!("{:?}", read.lock_credential(key).await.unwrap()));
    }
    for (prefix, after, limit) in [("", "", 99), ("a", "", 99), ("a", "a1", 1), ("b", "a1", 99)] {
        lines.push(format!("{:?}", read.memos(prefix, after, limit).await.unwrap()));
    }
    lines.push(format!("{:?}", read.memo("a1").await.unwrap()));
    lines.extend(read.feed(0, u32::MAX).await.unwrap().iter().map(|entry| format!("{entry:?}")));
    lines.push(format!("{}", read.last_revision().await.unwrap()));
    lines
}
