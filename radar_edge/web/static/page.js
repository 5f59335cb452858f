// The page: what arrives over /events, shown. It asks for nothing but pictures, the history and the gallery.
import { bar, CODES, duration, element, fill, NE107, sign, stacks, swatch, table } from "./draw.js";
import { LANGUAGES, speak, spoken, word } from "./words.js";

const QUIET_MS = 2000;   // no event for so long: the page itself is cut off
const HISTORY_MS = 10000;
const LOST_MS = 10000;   // then the connection is made anew: a proxy or a power cut may have ended it in silence
const NONE_PASSED = 8;   // so many verdicts in a row without a PASS are told from afar
const at = (id) => document.getElementById(id);
let scene = null;
let heardAt = 0;
let hours = 8;
let events = null;

// --- what the line is doing, in one word
const SIGNS = {
  running: ["square", "tick", "#0f6b3a"], stopped: ["circle", "cross", "#b3131b"], silent: ["circle", "bang", "#b3131b"],
  degraded: ["triangle", "bang", "#8a4b00"], recalibrate: ["diamond", "wrench", "#1f4fa8"], nodata: ["square", "query", "#45525d"],
};
function standing(fresh, s) {
  if (!fresh || !s) return ["nodata", word("nodata"), word("nodata_why")];
  const engine = s.engine ? s.engine.replaceAll("_", " + ") : null;
  if (s.status.includes("FAULT")) return ["stopped", word("fault"), word("stopped_why")];
  if (!s.status.includes("READY")) {
    const causes = Object.values(s.cameras).filter((c) => !c.usable).map((c) => `${c.modality}: ${cause(c)}`);
    if (s.uptime_s < 5 && !causes.some((c) => c.includes(word("dead")))) return ["stopped", word("starting"), word("starting_why")];
    const unselected = s.product === null ? [word("no_product")] : [];
    return ["stopped", word("stopped"), [word("stopped_why"), [...unselected, ...causes].join("; ")].join(" ")];
  }
  if (!s.plc_alive) return ["silent", word("silent"), [word("silent_why"), s.plc_trouble].filter(Boolean).join(" ")];
  if (s.status.includes("JOURNAL")) return ["stopped", word("journal"), word("journal_why")];
  const barren = nothingPasses(s);
  if (barren) return ["stopped", word("nothing_passes"), barren];
  if (s.status.includes("DEGRADED")) {
    const lost = Object.values(s.cameras).filter((c) => !c.usable).map((c) => `${c.modality}: ${cause(c)}`);
    const left = Object.values(s.cameras).filter((c) => c.usable).map((c) => c.modality).join(" + ");
    const why = s.degraded_policy === "may_pass" ? word("degraded_why", left) : word("stopped_why");
    return [s.degraded_policy === "may_pass" ? "degraded" : "stopped", word("degraded"), [why, lost.join("; ")].join(" ")];
  }
  const drifting = Object.entries(s.drift ?? {}).filter(([, d]) => d.state === "recalibrate").map(([slug]) => slug.replaceAll("_", " + "));
  if (drifting.length) return ["recalibrate", word("recalibrate"), word("recalibrate_why", drifting.join(", "))];
  return ["running", word("running"), engine ? word("running_why", engine) : word("waiting_why")];
}
// Why, if none of the last verdicts was PASS; nothing while parts pass or hardly any came.
function nothingPasses(s) {
  const last = s.recent.slice(-NONE_PASSED);
  if (last.length < NONE_PASSED || last.some((v) => v.code === "PASS")) return "";
  const counts = {};
  for (const v of last) counts[v.reason] = (counts[v.reason] ?? 0) + 1;
  const [commonest] = Object.entries(counts).sort((a, b) => b[1] - a[1])[0];
  return word("nothing_passes_why", NONE_PASSED, word(commonest));
}
function cause(camera) { return word(camera.cause === "starting" ? "starting_cause" : camera.cause) || word(camera.state); }

function showBanner(fresh, s) {
  const [kind, name, why] = standing(fresh, s);
  const banner = at("banner");
  if (banner.className !== kind) banner.className = kind;
  fill(at("banner-sign"), kind, () => sign(...SIGNS[kind]));
  fill(at("banner-word"), name, () => name);
  fill(at("banner-why"), why, () => why);
  document.body.classList.toggle("stale", kind === "nodata");
  document.title = `${name} – ${scene?.title ?? "radar-edge"}`;
}

// --- cameras
function card(id) {
  const found = document.getElementById(`camera-${id}`);
  if (found) return found;
  const image = element("img", { class: "image", alt: "", hidden: "" });
  const heat = element("img", { class: "heat", alt: "", hidden: "" });
  image.addEventListener("load", () => image.parentElement.style.setProperty("--ratio", image.naturalWidth / image.naturalHeight));
  const made = element("article", { class: "card", id: `camera-${id}` },
    element("div", { class: "view" }, element("p", { class: "absent" }), image, heat),
    element("h3", {}), element("p", { class: "state" }), element("p", { class: "small" }));
  at("camera-cards").append(made);
  return made;
}
function showCamera(id, camera, fresh) {
  const made = card(id);
  const picture = scene.images[camera.modality];
  const [image, heat] = [made.querySelector(".image"), made.querySelector(".heat")];
  made.classList.toggle("lost", !camera.usable);
  fill(made.querySelector("h3"), camera.modality + id, () => `${camera.modality.toUpperCase()} · ${id}`);
  const ne = fresh ? camera.ne107 : 0;
  const why = cause(camera);
  const text = [fresh ? word(`ne${camera.ne107}`) : word("nodata"), camera.usable && camera.cause === "none" ? "" : why].filter(Boolean).join(": ");
  fill(made.querySelector(".state"), `${ne}${text}`, () => [NE107[ne](), element("span", {}, text)]);
  const since = camera.cause === "none" ? "" : word("for_s", duration(camera.since_s));
  const restarts = scene.state.restarts[id] ? word("restarts", scene.state.restarts[id]) : "";
  const small = [since, restarts].filter(Boolean).join(" · ");
  fill(made.querySelector(".small"), small, () => small);
  fill(made.querySelector(".absent"), spoken() + Boolean(picture), () => (picture ? "" : word("no_picture")));
  setPicture(image, picture && `/view/${encodeURIComponent(camera.modality)}.jpg?${picture.version}`, word("picture_of", camera.modality));
  const over = scene.heat && picture && scene.heat.modalities.includes(camera.modality) && scene.heat.part === picture.part;
  setPicture(heat, over && `/view/heat.png?${scene.heat.version}`, word("heat_of", camera.modality));
}
function setPicture(image, source, alt) {
  image.hidden = !source;
  if (!source) return;
  if (image.getAttribute("src") !== source) image.src = source;
  if (image.alt !== alt) image.alt = alt;
}

// --- verdicts and numbers
function reason(v) { return word(v.reason); }
function number(value) { return value === null || value === undefined ? "–" : Number(value).toPrecision(3); }
function showVerdicts(s) {
  const recent = [...s.recent].reverse();
  const last = recent[0];
  const lang = `${spoken()} ${s.run} `;
  fill(at("last"), lang + (last ? last.seq : "none"), () => last ? [
    CODES[last.code](),
    element("div", {}, word(last.code), element("p", { class: "small" }, `${word("part")} ${last.part} · ${reason(last)}`),
      element("p", { class: "small" }, `${word("score_of")} ${number(last.score)} / ${word("threshold_of")} ${number(last.threshold)} · ${last.sent_ms.toFixed(0)} ms`)),
  ] : element("p", { class: "small" }, word("no_parts")));
  const judged = recent.find((v) => Object.keys(v.contributions).length);
  fill(at("contributions"), lang + (judged ? judged.seq : "none"), () => judged
    ? Object.entries(judged.contributions).map(([name, share]) => bar(name.toUpperCase(), share))
    : element("p", { class: "small" }, word("no_parts")));
  fill(at("recent"), lang + (last ? last.seq : "none"), () => recent.map((v) =>
    element("li", { title: `${word(v.code)}: ${reason(v)}` }, CODES[v.code](), element("span", {}, `${v.part} ${reason(v)}${v.degraded ? ` (${word("DEGRADED")})` : ""}`))));
  const counted = [["PASS", s.verdicts.pass], ["REJECT", s.verdicts.reject], ["NO_DECISION", s.verdicts.no_decision]];
  const rows = [[word("parts"), s.parts], ...counted.map(([code, n]) => [word(code), n ?? 0]), [word("degraded_parts"), s.degraded],
    [word("late_results"), s.late_results], [word("frames_dropped"), s.frames_dropped]];
  fill(at("counts"), lang + JSON.stringify(rows), () => table(rows.map(([name, n]) => [name, String(n)])));
}
function showLine(s) {
  const journal = s.journal.failing_s === null ? word("journal_ok") : word("journal_bad", duration(s.journal.failing_s));
  const rows = [[word("engine"), s.engine ? s.engine.replaceAll("_", " + ") : "–"], [word("plc"), word(s.plc_alive ? "alive" : "silent_state")],
    [word("link"), s.plc_trouble ?? word("well")], [word("journal"), journal], [word("status"), s.status.join(" ").toLowerCase() || "–"],
    ...(scene.mqtt ? [[word("mqtt"), scene.mqtt.trouble ?? word("connected")]] : []),
    ...(s.product === 0 ? [] : [[word("product"), s.product === null ? "–" : String(s.product)]]), [word("uptime"), duration(s.uptime_s)]];
  fill(at("standing"), spoken() + JSON.stringify(rows), () => table(rows));
  const stages = Object.entries(s.latency_ms);
  fill(at("latency"), spoken() + JSON.stringify(stages), () => stages.length
    ? table(stages.map(([name, p]) => [word(name === "engine" ? "engine_stage" : name), ...["p50", "p95", "p99"].map((q) => p[q].toFixed(1))]), ["", "p50", "p95", "p99"])
    : element("p", { class: "small" }, word("no_parts")));
  const drift = Object.entries(s.drift ?? {});
  fill(at("drift"), spoken() + JSON.stringify(drift), () => drift.length
    ? table(drift.map(([slug, d]) => [slug.replaceAll("_", " + "), word(d.state === "recalibrate" ? "drift_recalibrate" : d.state), `${number(d.evidence)} / ${number(d.limit)}`]))
    : element("p", { class: "small" }, word("no_drift")));
  const warm = Object.entries(scene.temperatures_c ?? {});
  fill(at("temperatures"), spoken() + JSON.stringify(warm), () => warm.length
    ? table(warm.map(([name, t]) => [name, `${t.toFixed(1)} °C`])) : element("p", { class: "small" }, word("no_temperatures")));
}
function show() {
  const fresh = Boolean(scene?.fresh) && performance.now() - heardAt < QUIET_MS;
  const s = scene?.state;
  showBanner(fresh, s);
  if (!s) return;
  at("title").textContent = scene.title;
  const made = `radar-edge ${s.version ?? ""} · ${word("bundle")} ${(s.bundle ?? "").slice(0, 8)}`;
  fill(at("product"), made, () => made);
  for (const made of [...at("camera-cards").children]) if (!(made.id.slice("camera-".length) in s.cameras)) made.remove();
  for (const [id, camera] of Object.entries(s.cameras)) showCamera(id, camera, fresh);
  showVerdicts(s);
  showLine(s);
}

// --- from the journal and the evidence folder, now and then
async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}
async function showHistory() {
  const found = await fetched(`/api/history/${hours}`);
  const kinds = ["pass", "reject", "no_decision"];
  const sums = kinds.map((kind) => found.bars.reduce((sum, b) => sum + b[kind], 0));
  const label = `${word("history_of", hours)}: ${kinds.map((kind, i) => `${word(kind.toUpperCase())} ${sums[i]}`).join(", ")}`;
  fill(at("history"), spoken() + JSON.stringify(found), () => {
    if (!sums.some(Boolean)) return element("p", { class: "small" }, found.complete ? word("no_history") : word("history_cut"));
    const key = element("p", { class: "key" }, ...kinds.map((kind, i) => element("span", {}, swatch(kind), ` ${word(kind.toUpperCase())} ${sums[i]}`)));
    return [stacks(found.bars, kinds, label), key, ...(found.complete ? [] : [element("p", { class: "small" }, word("history_cut"))])];
  });
}
async function showGallery() {
  const found = await fetched("/api/gallery");
  fill(at("gallery"), spoken() + JSON.stringify(found), () => {
    if (!found.kept || !found.parts.length) return element("li", { class: "small" }, word(found.kept ? "no_gallery" : "gallery_off"));
    return found.parts.map((p) => {
      const said = `${word("part")} ${p.part} · ${word(p.reason ?? "NONE")}`;
      const button = element("button", { type: "button" },
        element("img", { src: `/evidence/${p.run}/${p.part}/${p.modalities[0]}.jpg`, alt: "", loading: "lazy" }), element("span", {}, said));
      button.addEventListener("click", () => view(p, said));
      return element("li", {}, button);
    });
  });
}
function view(p, said) {
  at("viewer-title").textContent = `${said} · ${word("score_of")} ${number(p.score)} / ${word("threshold_of")} ${number(p.threshold)}`;
  at("viewer-pictures").replaceChildren(...p.modalities.map((name) => element("figure", {},
    element("img", { src: `/evidence/${p.run}/${p.part}/${name}.jpg`, alt: `${word("part")} ${p.part}, ${name}` }), element("figcaption", {}, name.toUpperCase()))));
  at("viewer").showModal();
}

// --- language, buttons, events
function translate() {
  document.documentElement.lang = spoken() === "zh" ? "zh-CN" : "en";
  for (const place of document.querySelectorAll("[data-word]")) place.textContent = word(place.dataset.word);
  const other = spoken() === "en" ? "中文" : "English";
  at("language").textContent = other;
  at("language").lang = spoken() === "en" ? "zh" : "en";
  at("language").setAttribute("aria-label", other);
  show();
  refresh();
}
function refresh() {
  // A page that is cut off says so in its banner; what it shows of the past stays.
  Promise.allSettled([showHistory(), showGallery()]);
}
at("language").addEventListener("click", () => {
  speak(LANGUAGES[(LANGUAGES.indexOf(spoken()) + 1) % LANGUAGES.length]);
  localStorage.setItem("language", spoken());
  translate();
});
at("heat-button").addEventListener("click", () => {
  const off = document.body.classList.toggle("no-heat");
  at("heat-button").setAttribute("aria-pressed", String(!off));
});
for (const button of at("hours").children) button.addEventListener("click", () => {
  hours = Number(button.dataset.hours);
  for (const other of at("hours").children) other.setAttribute("aria-pressed", String(other === button));
  refresh();
});
at("viewer-close").addEventListener("click", () => at("viewer").close());

speak(localStorage.getItem("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en"));
translate();
function listen() {
  events?.close();
  heardAt = performance.now();
  events = new EventSource("/events");
  events.addEventListener("message", (event) => {
    scene = JSON.parse(event.data);
    heardAt = performance.now();
    show();
  });
}
function mind() {
  if (performance.now() - heardAt > LOST_MS) {
    if (scene) scene.fresh = false;
    listen();
  }
  show();
}
listen();
setInterval(mind, 500);
setInterval(refresh, HISTORY_MS);
