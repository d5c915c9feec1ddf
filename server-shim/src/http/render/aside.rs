//! Large bodies are rendered beside the threads that answer requests, a few at a time, so that one long
//! list for people does not hold up everybody else.

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::sync::Semaphore;

use crate::http::response::{Body, BoxError};

/// How many bodies are rendered at once; more wait. Each takes a processor, and a few times its size in
/// memory.
const RENDERS_MAX: usize = 2;

static TURNS: Semaphore = Semaphore::const_new(RENDERS_MAX);

/// A body that is rendered when it is asked for, and not at all if nobody does.
pub fn aside(json: Bytes, render: fn(&[u8]) -> Vec<u8>) -> Body {
    let rendered = async move {
        let turn = TURNS.acquire().await?;
        let rendered = tokio::task::spawn_blocking(move || {
            // Work that has begun goes on when its client leaves, so it keeps its turn itself.
            let _turn = turn;
            render(&json)
        });
        Ok::<_, BoxError>(Frame::data(Bytes::from(rendered.await?)))
    };
    StreamBody::new(stream::once(rendered)).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn thread(_: &[u8]) -> Vec<u8> {
        format!("{:?}", std::thread::current().id()).into_bytes()
    }

    #[tokio::test]
    async fn rendering_leaves_the_thread_that_answers_alone() {
        let rendered = aside(Bytes::new(), thread).collect().await.unwrap().to_bytes();
        assert_ne!(rendered, thread(b""));
    }

    #[tokio::test]
    async fn a_body_waits_for_its_turn() {
        let turns = TURNS.acquire_many(u32::try_from(RENDERS_MAX).unwrap()).await.unwrap();
        let mut body = aside(Bytes::from_static(b"a"), <[u8]>::to_vec);
        assert!(body.frame().now_or_never().is_none());
        drop(turns);
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "a");
    }

    #[tokio::test]
    async fn a_panic_breaks_the_body_off() {
        let body = aside(Bytes::new(), |_| panic!("as the test wants it"));
        assert!(body.collect().await.is_err());
    }
}
