//! The files that recordings and streams left: list, read, and links to them.
//!
//! A link leads nowhere: no bytes are recorded here.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/recording-assets/overview>

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Route;
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::page::Page;
use crate::emulator::store::{Asset, AssetStatus};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/recording-assets", list),
    Route::get("/recording-assets/{asset_id}", get),
    Route::get("/recording-assets/{asset_id}/presigned-url", presign),
];

fn list(call: &mut Call<'_>) -> Outcome {
    let page = Page::asked(call)?;
    let (room_id, session_id) = (call.query("room_id"), call.query("session_id"));
    let status: Option<AssetStatus> = match call.query("status") {
        Some(text) => Some(serde_json::from_value(json!(text)).map_err(|_| Refusal::query("status"))?),
        None => None,
    };
    let keep = |asset: &Asset| {
        room_id.is_none_or(|id| asset.room_id == id)
            && session_id.is_none_or(|id| asset.session_id == id)
            && status.is_none_or(|status| asset.status(call.now) == status)
    };
    page.of(&call.store.assets, keep, |asset| AssetAnswer::new(asset, call.now))
}

fn get(call: &mut Call<'_>) -> Outcome {
    let now = call.now;
    Ok(Answer::ok(&AssetAnswer::new(asset(call)?, now)))
}

fn presign(call: &mut Call<'_>) -> Outcome {
    let now = call.now;
    let asked = match call.query("presign_duration") {
        Some(text) => {
            let seconds = text.parse::<i64>().ok().filter(|seconds| *seconds > 0);
            Some(seconds.ok_or_else(|| Refusal::query("presign_duration"))?)
        }
        None => None,
    };
    let asset = asset(call)?;
    if asset.status(now) != AssetStatus::Completed {
        return Err(Refusal::not_found("recording asset is not available"));
    }
    let expiry = asked.unwrap_or(asset.presign_s);
    let key = asset.path.split_once("://").map_or(asset.path.as_str(), |(_, key)| key);
    let signature = Uuid::new_v4().simple();
    let url =
        format!("https://storage.emulator.invalid/{key}?X-Amz-Expires={expiry}&X-Amz-Signature={signature}");
    Ok(Answer::ok(&json!({ "id": asset.id, "path": asset.path, "url": url, "expiry": expiry })))
}

fn asset<'a>(call: &'a Call<'_>) -> Result<&'a Asset, Refusal> {
    let id = call.parameter("asset_id");
    call.store.assets.get(id).ok_or_else(|| Refusal::not_found("recording asset not found"))
}

/// An asset as the API shows it with its job.
#[derive(Serialize)]
pub(super) struct AssetSummary<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    asset_type: &'static str,
    path: &'a str,
    thumbnails: Option<Vec<String>>,
    metadata: &'a Value,
    duration: u64,
    size: u64,
    status: AssetStatus,
    created_at: Timestamp,
}

impl<'a> AssetSummary<'a> {
    /// An asset as it is at a moment.
    pub(super) fn new(asset: &'a Asset, now: Timestamp) -> Self {
        let status = asset.status(now);
        let whole = status == AssetStatus::Completed;
        let file = &asset.file;
        let thumbnails = file.thumbnails.then(|| match whole {
            true => vec![format!("{}.thumbnail-00.jpg", asset.path)],
            false => Vec::new(),
        });
        Self {
            id: &asset.id,
            asset_type: file.asset_type,
            path: &asset.path,
            thumbnails,
            metadata: &file.metadata,
            duration: asset.duration,
            size: if whole { HEADER_BYTES + asset.duration * file.bytes_per_second } else { 0 },
            status,
            created_at: asset.created_at,
        }
    }
}

/// What a file has in it before anything is recorded.
const HEADER_BYTES: u64 = 74;

/// An asset as the API shows it by itself.
#[derive(Serialize)]
struct AssetAnswer<'a> {
    job_id: &'a str,
    room_id: &'a str,
    session_id: &'a str,
    #[serde(flatten)]
    asset: AssetSummary<'a>,
}

impl<'a> AssetAnswer<'a> {
    fn new(asset: &'a Asset, now: Timestamp) -> Self {
        let (job_id, room_id, session_id) = (&asset.job_id, &asset.room_id, &asset.session_id);
        Self { job_id, room_id, session_id, asset: AssetSummary::new(asset, now) }
    }
}
