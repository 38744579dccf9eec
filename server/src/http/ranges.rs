//! Byte ranges (RFC 9110 section 14): a single `bytes=` range; anything else is ignored, as the RFC allows.

use axum::http::{HeaderMap, header};

use crate::error::ApiError;

/// The part of an object of `length` bytes that a request asks for; `None` for all of it.
pub(super) fn requested(
    headers: &HeaderMap,
    length: u64,
) -> Result<Option<std::ops::Range<u64>>, ApiError> {
    let Some(text) = headers.get(header::RANGE).and_then(|v| v.to_str().ok()) else {
        return Ok(None);
    };
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|r| r.split_once('-')) else {
        return Ok(None);
    };
    let number = |text: &str| text.parse::<u64>().ok();
    let range = match (number(first), number(last)) {
        (Some(first), None) if last.is_empty() => first..length,
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
        (None, Some(suffix)) if first.is_empty() => length.saturating_sub(suffix)..length,
        _ => return Ok(None),
    };
    if range.is_empty() { Err(ApiError::Range) } else { Ok(Some(range)) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn single_ranges_are_understood() {
        let ask = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, text.parse().unwrap());
            requested(&headers, 100)
        };
        assert_eq!(ask("bytes=0-9").unwrap(), Some(0..10));
        assert_eq!(ask("bytes=90-").unwrap(), Some(90..100));
        assert_eq!(ask("bytes=90-1000").unwrap(), Some(90..100));
        assert_eq!(ask("bytes=-5").unwrap(), Some(95..100));
        assert_eq!(ask("bytes=-500").unwrap(), Some(0..100));
        for ignored in ["bytes=5-1", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4", "bytes", "bytes=-"]
        {
            assert_eq!(ask(ignored).unwrap(), None, "{ignored}");
        }
        for outside in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert!(matches!(ask(outside), Err(ApiError::Range)), "{outside}");
        }
    }
}
