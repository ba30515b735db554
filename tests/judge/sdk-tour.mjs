// Calls every public method of the SDK on a fresh emulator and looks at every answer, as a program built on the SDK would.
//
// sdk-tour.mjs BASE_URL; prints {"methods": …, "called": …, "missed": […]}.
import assert from "node:assert/strict";
import { all, lever, sdkAt } from "./sdk.mjs";

const base = process.argv[2];
const { sdk, methods, called } = sdkAt(base);
const STANDUP = "65a1b2c3d4e5f60718290020";
const HOST = "00000000-0000-4000-8000-00000000a001";
const GUEST = "00000000-0000-4000-8000-00000000b001";
const TEMPLATE = "65a1b2c3d4e5f60718290010";

await rooms();
await roomCodes();
await tracks();
await activeRooms();
await liveStreams();
await externalStreams();
await recordings();
await sessions();
await tokens();
await raw();

const missed = [...methods].filter((name) => !called.has(name));
console.log(JSON.stringify({ methods: methods.size, called: called.size, missed }));

async function rooms() {
  const made = await sdk.rooms.create({ name: "Tour", description: "by the SDK", region: "eu", template_id: TEMPLATE });
  assert.equal(made.name, "Tour");
  assert.equal(made.region, "eu");
  assert.equal(made.template_id, TEMPLATE);
  assert.ok(made.created_at instanceof Date && !Number.isNaN(made.created_at.valueOf()), "a date the SDK understands");
  assert.equal((await sdk.rooms.create({ name: "tour" })).id, made.id, "a known name is that room");
  assert.equal((await sdk.rooms.update(made.id, { description: "anew" })).description, "anew");
  assert.equal((await sdk.rooms.retrieveById(made.id)).description, "anew");
  assert.equal((await sdk.rooms.retrieveByName("Tour")).id, made.id);
  assert.equal((await sdk.rooms.enableOrDisable(made.id, false)).enabled, false);
  assert.deepEqual((await all(sdk.rooms.list({ enabled: false }))).map((room) => room.id), [made.id]);
  assert.equal((await sdk.rooms.enableOrDisable(made.id, true)).enabled, true);
  for (let number = 0; number < 25; number++) await sdk.rooms.create({ name: `tour-${number}` });
  const found = await all(sdk.rooms.list({ limit: 10 }));
  assert.equal(new Set(found.map((room) => room.id)).size, 28, "all pages, each room once");
  assert.equal(found.length, 28);
}

async function roomCodes() {
  const codes = await sdk.roomCodes.create(STANDUP);
  assert.deepEqual(codes.map((code) => code.role).sort(), ["guest", "host"]);
  const [{ code }] = codes;
  assert.match(code, /^[a-z]{3}-[a-z]{4}-[a-z]{3}$/);
  assert.equal((await sdk.roomCodes.enableOrDisable(code, false)).enabled, false);
  const more = await sdk.roomCodes.createForRole(STANDUP, "guest");
  assert.equal(more.role, "guest");
  const listed = await all(sdk.roomCodes.list(STANDUP, { enabled: true }));
  assert.ok(listed.some((listed) => listed.code === more.code));
  assert.ok(listed.every((listed) => listed.code !== code), "a disabled code is not among the enabled ones");
}

/** Peers publish; the SDK asks who published what. */
async function tracks() {
  for (let number = 0; number < 12; number++) {
    const track = { type: "audio", source: "regular" };
    await lever(base, "POST", `sessions/${STANDUP}/peers/${GUEST}/tracks`, track);
  }
  const filter = { room_id: STANDUP, type: ["track.add.success", "track.remove.success"], limit: 10 };
  const events = await all(sdk.analytics.listTrackEvents(filter));
  assert.ok(events.every((event) => event.type === "track.add.success" && event.data.peer_id === GUEST));
  // There are 12. The SDK looks for `last`, where this list says `next`, and so ends after a page.
  assert.equal(events.length, 10);
}

async function activeRooms() {
  const room = await sdk.activeRooms.retrieve(STANDUP);
  assert.deepEqual([room.id, room.session.peers.length], [STANDUP, 3]);
  assert.equal((await sdk.activeRooms.retrieveActivePeers(STANDUP))[HOST].name, "Ada");
  const guest = await sdk.activeRooms.retrievePeerDetails(STANDUP, GUEST);
  assert.equal(guest.name, "Grace");
  assert.equal(Object.keys(guest.tracks).length, 12);
  const changed = await sdk.activeRooms.updatePeer(STANDUP, GUEST, { name: "Grace H.", metadata: "{}" });
  assert.equal(changed.name, "Grace H.");
  assert.equal(await sdk.activeRooms.sendMessage(STANDUP, { message: "hello", role: "guest" }), undefined);
  assert.equal(await sdk.activeRooms.removePeer(STANDUP, { peer_id: GUEST, reason: "done" }), undefined);
}

async function liveStreams() {
  const recording = { hls_vod: true, single_file_per_layer: false };
  const started = await sdk.liveStreams.start(STANDUP, { meeting_url: "https://demo.app.100ms.live/x", recording });
  assert.deepEqual([started.room_id, started.status], [STANDUP, "starting"]);
  await lever(base, "POST", `streams/${started.id}`, { status: "running" });
  const running = await sdk.liveStreams.retrieve(started.id);
  assert.equal(running.status, "running");
  assert.ok(running.started_at instanceof Date);
  const cue = { payload: "a cue", duration: 5 };
  assert.equal((await sdk.liveStreams.sendTimedMetadata(started.id, cue)).id, started.id);
  assert.equal((await sdk.liveStreams.pauseRecording(started.id)).id, started.id);
  assert.equal((await sdk.liveStreams.resumeRecording(started.id)).id, started.id);
  assert.deepEqual((await all(sdk.liveStreams.list({ room_id: STANDUP }))).map((stream) => stream.id), [started.id]);
  assert.equal((await sdk.liveStreams.stop(started.id)).status, "stopping");
  await lever(base, "POST", `streams/${started.id}`, { status: "completed" });
  const second = await sdk.liveStreams.start(STANDUP, { meeting_url: "https://demo.app.100ms.live/x" });
  await lever(base, "POST", `streams/${second.id}`, { status: "running" });
  const stopped = await sdk.liveStreams.stopAll(STANDUP);
  assert.deepEqual(stopped.map((stream) => [stream.id, stream.status]), [[second.id, "stopping"]]);
}

async function externalStreams() {
  const wanted = { meeting_url: "https://demo.app.100ms.live/x", rtmp_urls: ["rtmp://a.example/live/k"], recording: true };
  const started = await sdk.externalStreams.start(STANDUP, wanted);
  assert.deepEqual([started.room_id, started.status], [STANDUP, "starting"]);
  await lever(base, "POST", `streams/${started.id}`, { status: "running" });
  assert.equal((await sdk.externalStreams.retrieve(started.id)).status, "running");
  const listed = await all(sdk.externalStreams.list({ room_id: STANDUP, status: "running" }));
  assert.deepEqual(listed.map((stream) => stream.id), [started.id]);
  assert.equal((await sdk.externalStreams.stop(started.id)).status, "stopping");
  await lever(base, "POST", `streams/${started.id}`, { status: "completed" });
  const second = await sdk.externalStreams.start(STANDUP, wanted);
  await lever(base, "POST", `streams/${second.id}`, { status: "running" });
  assert.deepEqual((await sdk.externalStreams.stopAll(STANDUP)).map((stream) => stream.id), [second.id]);
}

async function recordings() {
  const wanted = { meeting_url: "https://demo.app.100ms.live/x", resolution: { width: 1280, height: 720 } };
  const started = await sdk.recordings.start(STANDUP, wanted);
  assert.deepEqual([started.room_id, started.status], [STANDUP, "starting"]);
  await lever(base, "POST", `recordings/${started.id}`, { status: "running" });
  assert.equal((await sdk.recordings.stop(started.id)).status, "stopping");
  await lever(base, "POST", `recordings/${started.id}/finish`);
  const finished = await sdk.recordings.retrieve(started.id);
  assert.equal(finished.status, "completed");
  assert.ok(finished.stopped_at instanceof Date);
  const second = await sdk.recordings.start(STANDUP, wanted);
  await lever(base, "POST", `recordings/${second.id}`, { status: "running" });
  assert.deepEqual((await sdk.recordings.stopAll(STANDUP)).map((recording) => recording.id), [second.id]);
  const ids = (await all(sdk.recordings.list({ room_id: STANDUP }))).map((recording) => recording.id);
  assert.deepEqual(ids.sort(), [started.id, second.id].sort());
  const assets = await all(sdk.recordingAssets.list({ room_id: STANDUP }));
  const asset = assets.find((asset) => asset.job_id === started.id && asset.type === "room-composite");
  assert.equal((await sdk.recordingAssets.retrieve(asset.id)).path, asset.path);
  const url = await sdk.recordingAssets.generatePreSignedURL(asset.id, 600);
  assert.deepEqual([url.id, url.path, url.expiry], [asset.id, asset.path, 600]);
  assert.match(url.url, /^https:/);
  const filter = { room_id: STANDUP, type: "beam.recording.success" };
  const events = await all(sdk.analytics.listRecordingEvents(filter));
  assert.ok(events.some((event) => event.data.beam_id === started.id));
}

async function sessions() {
  const open = await sdk.sessions.retrieveActiveByRoom(STANDUP);
  assert.deepEqual([open.room_id, open.active], [STANDUP, true]);
  assert.equal((await sdk.sessions.retrieveById(open.id)).peers[HOST].name, "Ada");
  assert.equal(await sdk.activeRooms.end(STANDUP, { reason: "over", lock: false }), undefined);
  const ended = await all(sdk.sessions.list({ room_id: STANDUP, active: false }));
  assert.deepEqual(ended.map((session) => session.id), [open.id]);
  await assert.rejects(sdk.sessions.retrieveActiveByRoom(STANDUP), /No active Session/);
}

async function tokens() {
  const { token } = await sdk.auth.getManagementToken({ forceNew: true });
  assert.equal(token.split(".").length, 3);
  const app = await sdk.auth.getAuthToken({ roomId: STANDUP, role: "host", userId: "u-1" });
  assert.equal(JSON.parse(atob(app.token.split(".")[1])).room_id, STANDUP);
}

async function raw() {
  const role = await sdk.api.get(`/templates/${TEMPLATE}/roles/host`);
  assert.equal(role.name, "host");
  const settings = await sdk.api.post(`/templates/${TEMPLATE}/settings`, { region: "in" });
  assert.equal(settings.region, "in");
}
