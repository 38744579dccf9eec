//! Following a job: server-sent events, joined again when the stream ends.

use std::io::{BufRead, BufReader, Read};

use gwas::wire::status::JobStatus;
use he_core::Digest;
use ureq::http::Method;

use super::routes::MAX_STATUS;
use super::send::{Call, random};
use super::{Client, NetError};

impl Client {
    /// Waits until a job is computed, or ended otherwise; `each` sees every status on the way. A broken stream is joined
    /// again; a server that stays away is an error, and the job goes on without us.
    ///
    /// # Errors
    /// As every request.
    pub fn watch_job(
        &self,
        job: &Digest,
        mut each: impl FnMut(&JobStatus),
    ) -> Result<JobStatus, NetError> {
        let mut fruitless = 0;
        loop {
            let mut seen = false;
            let ended = self.follow(job, |status| {
                seen = true;
                each(status);
            });
            let error = match ended {
                Ok(Some(status)) => return Ok(status),
                Ok(None) => None,
                Err((error, false)) => return Err(error),
                Err((error, true)) => Some(error),
            };
            fruitless = if seen { 0 } else { fruitless + 1 };
            match self.retry.pause(fruitless, None, random()?) {
                Some(pause) => std::thread::sleep(pause),
                None => {
                    let nothing = || NetError::Malformed {
                        what: what(job),
                        reason: "the stream ends without an event".into(),
                    };
                    return Err(error.unwrap_or_else(nothing));
                }
            }
        }
    }

    /// One stream: the settling status, or nothing if it ended before. The flag says whether to try again.
    fn follow(
        &self,
        job: &Digest,
        mut each: impl FnMut(&JobStatus),
    ) -> Result<Option<JobStatus>, (NetError, bool)> {
        let call = Call {
            method: Method::GET,
            path: format!("/v1/jobs/{job}/events"),
            body: &[],
            content_type: "",
            digest: true,
            limit: 0,
        };
        let response = self.stream(&call)?;
        let mut events = Events::new(BufReader::new(
            response.into_body().into_with_config().limit(u64::MAX).reader(),
        ));
        // An interrupted stream is an ordinary end.
        while let Ok(Some(data)) = events.next_event() {
            self.traffic.add_received(data.len());
            let malformed =
                |reason: String| (NetError::Malformed { what: what(job), reason }, false);
            let status: JobStatus =
                serde_json::from_str(&data).map_err(|e| malformed(e.to_string()))?;
            if status.job != *job {
                return Err(malformed("an event is about another job".into()));
            }
            each(&status);
            if status.state.is_final() {
                return Ok(Some(status));
            }
        }
        Ok(None)
    }
}

fn what(job: &Digest) -> String {
    format!("GET /v1/jobs/{job}/events")
}

/// The data of the events of a stream (WHATWG HTML, section 9.2), as far as this protocol uses them.
#[derive(Debug)]
pub struct Events<R>(R);

impl<R: BufRead> Events<R> {
    /// The events of `stream`.
    pub fn new(stream: R) -> Self {
        Self(stream)
    }

    /// The data of the next event, at most two mebibytes; `None` at the end or after a line that is too long.
    ///
    /// # Errors
    /// Those of reading.
    pub fn next_event(&mut self) -> std::io::Result<Option<String>> {
        let mut data = String::new();
        loop {
            let mut line = Vec::new();
            self.0.by_ref().take(MAX_STATUS).read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') || data.len() as u64 > MAX_STATUS {
                return Ok(None);
            }
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() && !data.is_empty() {
                return Ok(Some(data));
            }
            if let Some(text) = line.strip_prefix("data:") {
                if !data.is_empty() {
                    data.push('\n');
                }
                data.push_str(text.strip_prefix(' ').unwrap_or(text));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<String> {
        let mut events = Events::new(text);
        std::iter::from_fn(|| events.next_event().unwrap()).collect()
    }

    #[test]
    fn events_are_cut_out_of_the_stream() {
        assert_eq!(
            all(b": hello\n\ndata: {\"a\":1}\n\nevent: x\r\ndata:b\r\n\r\n"),
            ["{\"a\":1}", "b"]
        );
        assert_eq!(all(b"data: a\ndata: b\n\n"), ["a\nb"]);
        assert_eq!(all(b"data: unfinished\n"), Vec::<String>::new());
    }

    #[test]
    fn endless_lines_and_events_end_the_stream() {
        let line = [b"data: ", &vec![b'x'; 1 << 20][..], b"\n\n"].concat();
        assert!(all(&line).is_empty());
        let event = b"data: xxxxxxxxxxxxxxxx\n".repeat(1 << 14);
        assert!(all(&event).is_empty());
    }
}
