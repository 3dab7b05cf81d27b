/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How the status page looks: HTML, plots as SVG, and the same numbers as JSON.  Nothing is loaded from elsewhere; without its script it reloads itself. */
#include "daemon/status_int.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define POINTS 180U
#define PLOT_W 340.0
#define PLOT_H 122.0
#define PLOT_LEFT 40.0
#define PLOT_RIGHT 336.0
#define PLOT_TOP 8.0
#define PLOT_BOTTOM 100.0

static const char style[] =
"*{box-sizing:border-box}"
":root{color-scheme:light dark;--bg:#f4f6f9;--card:#fff;--ink:#16202e;--soft:#56637a;--line:#dce2eb;--a:#1f5fd0;--fill:#1f5fd01a;--b:#a8480b;"
"--ok:#11703b;--okb:#e2f4e9;--warn:#8a4b00;--warnb:#fdf0db;--bad:#b3261e;--badb:#fde7e5}"
"@media(prefers-color-scheme:dark){:root{--bg:#0f141b;--card:#182029;--ink:#e8edf4;--soft:#a3b0c2;--line:#2c3846;--a:#7fb0ff;--fill:#7fb0ff26;--b:#f4a763;"
"--ok:#7fdca4;--okb:#12351f;--warn:#f5c26b;--warnb:#3a2a0d;--bad:#ff9d94;--badb:#421a17}}"
"html{-webkit-text-size-adjust:100%}"
"body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}"
".wrap{max-width:1180px;margin:0 auto;padding:0 20px 40px}"
"header{display:flex;flex-wrap:wrap;align-items:center;gap:8px 16px;padding:26px 0 18px}"
"h1{font-size:1.5rem;line-height:1.2;margin:0;}"
"h2{font-size:1.06rem;margin:34px 0 12px}h2 small{font-size:.88rem;font-weight:400;color:var(--soft);margin-left:.5em}"
"h3{font-size:.95rem;font-weight:600;margin:0}"
".pill{display:inline-flex;align-items:center;gap:7px;border-radius:99px;padding:3px 13px 3px 10px;font-weight:600;font-size:.92rem}"
".pill svg{width:14px;height:14px;flex:none}"
".ok{background:var(--okb);color:var(--ok)}.warn{background:var(--warnb);color:var(--warn)}.bad{background:var(--badb);color:var(--bad)}"
".meta{display:flex;flex-wrap:wrap;gap:0 1.3em;color:var(--soft);font-size:.9rem;margin-left:auto;font-variant-numeric:tabular-nums}"
".why{margin:0 0 16px}"
".tiles{display:grid;grid-template-columns:repeat(6,1fr);gap:14px;margin:0;padding:0;list-style:none}"
".card{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:16px 18px}"
".tile b{display:block;font-size:1.75rem;line-height:1.25;font-weight:650;letter-spacing:-.02em;font-variant-numeric:tabular-nums;white-space:nowrap}"
".tile span{color:var(--soft);font-size:.88rem}.tile b small{font-size:.95rem;font-weight:500;letter-spacing:0;color:var(--soft);margin-left:.2em}"
".plots,.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(300px,100%),1fr));gap:14px}"
"figure{margin:0;display:flex;flex-direction:column}"
".plot{display:block;width:100%;height:auto;margin-top:auto}"
".grid{stroke:var(--line);stroke-width:1}.axis{fill:var(--soft);font-size:11.5px;font-variant-numeric:tabular-nums}"
".l1{fill:none;stroke:var(--a);stroke-width:1.8;stroke-linejoin:round}.f1{fill:var(--fill);stroke:none}"
".l2{fill:none;stroke:var(--b);stroke-width:1.8;stroke-dasharray:5 3;stroke-linejoin:round}"
".key{display:flex;flex-wrap:wrap;gap:0 18px;color:var(--soft);font-size:.85rem;margin:2px 0 10px}.key span{display:inline-flex;align-items:center;gap:6px;white-space:nowrap}"
".key svg{width:24px;height:8px;flex:none}.key b{color:var(--ink);font-weight:600;font-variant-numeric:tabular-nums}"
".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.93rem}"
"caption,.cap{text-align:left;color:var(--soft);font-size:.88rem;margin:0;padding-bottom:10px}"
"th,td{text-align:left;padding:9px 14px 9px 0;border-top:1px solid var(--line);vertical-align:baseline}thead th{border-top:0;color:var(--soft);font-weight:600;font-size:.85rem}"
"tbody th{font-weight:600;white-space:nowrap}td.t{white-space:nowrap}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
"p.none{margin:0;color:var(--soft)}footer{margin-top:34px;color:var(--soft);font-size:.85rem}code{font:.92em ui-monospace,'DejaVu Sans Mono',monospace;white-space:nowrap}"
"@media(max-width:1000px){.tiles{grid-template-columns:repeat(3,1fr)}}"
"@media(max-width:620px){.wrap{padding:0 14px 30px}header{padding-top:18px}.meta{margin-left:0;width:100%}.tiles{grid-template-columns:1fr 1fr;gap:10px}"
".tile b{font-size:1.4rem}.card{padding:13px 14px}"
"table.r thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}table.r,table.r tbody,table.r tr,table.r td,table.r th,table.r caption{display:block}"
"table.r tr{border-top:1px solid var(--line);padding:9px 0}table.r td,table.r th{border:0;padding:1px 0}table.r td.n{text-align:left}"
"table.r td[data-k]::before{content:attr(data-k) ': ';color:var(--soft)}}";

static const char script[] =
"(function(){var m=document.getElementById('main'),s=document.getElementById('live');function go(){if(document.hidden)return;"
"fetch('status.json',{cache:'no-store'}).then(function(r){if(!r.ok)throw 0;return r.json()}).then(function(j){m.innerHTML=j.main;s.textContent='Updates every 10 seconds.'})"
".catch(function(){s.textContent='The server does not answer; what you see is old.'})}setInterval(go,10000);document.addEventListener('visibilitychange',go);"
"s.textContent='Updates every 10 seconds.'})()";

static void
add_hash(struct buf *b, const char *name, const char *text)
{
	unsigned char hash[32];

	sha256(text, strlen(text), hash);
	buf_addf(b, " %s 'sha256-", name);
	base64_encode(b, hash, sizeof(hash));
	buf_adds(b, "';");
}

void
status_policy(char *out, size_t size)
{
	struct buf b;

	buf_init(&b, 1024);
	buf_adds(&b, "default-src 'none';");
	add_hash(&b, "style-src", style);
	add_hash(&b, "script-src", script);
	buf_adds(&b, " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
	(void)snprintf(out, size, "%s", b.failed ? "default-src 'none'" : b.p);
	buf_fini(&b);
}

static void
text_n(struct buf *b, const char *s, size_t n)
{
	for (const char *end = s + n; s < end; s++)
		switch (*s) {
		case '<': buf_adds(b, "&lt;"); break;
		case '>': buf_adds(b, "&gt;"); break;
		case '&': buf_adds(b, "&amp;"); break;
		case '"': buf_adds(b, "&quot;"); break;
		default: buf_addc(b, (unsigned char)*s < 0x20 ? ' ' : *s); break;
		}
}

static void
text(struct buf *b, const char *s)
{
	text_n(b, s, strlen(s));
}

/* Between backticks is what a person types: in one piece, in letters of a terminal. */
static void
advice_text(struct buf *b, const char *s)
{
	bool typed = false;

	for (const char *end = strchr(s, '`'); end != NULL; s = end + 1, end = strchr(s, '`'), typed = !typed) {
		text_n(b, s, (size_t)(end - s));
		buf_adds(b, typed ? "</code>" : "<code>");
	}
	text(b, s);
	if (typed)
		buf_adds(b, "</code>");
}

/* ---- numbers for people ---- */

enum unit { UNIT_COUNT, UNIT_RATE, UNIT_MS, UNIT_SHARE };

/* V and its unit; "-" where nothing was measured. */
static void
format(double v, enum unit unit, char number[24], const char **suffix)
{
	*suffix = unit == UNIT_RATE ? "/s" : unit == UNIT_MS ? "ms" : unit == UNIT_SHARE ? "%" : "";
	if (v < 0) {
		(void)snprintf(number, 24, "\xe2\x80\x93");
		*suffix = "";
		return;
	}
	if (unit == UNIT_SHARE)
		v *= 100;
	if (unit == UNIT_MS && v >= 1000) {
		v /= 1000;
		*suffix = "s";
	}
	if (unit == UNIT_COUNT || v == 0)
		(void)snprintf(number, 24, "%.0f", v);
	else
		(void)snprintf(number, 24, "%.*f", v >= 100 ? 0 : v >= 10 ? 1 : 2, v);
}

static void
ago(struct buf *b, msec_t ms)
{
	int64_t s = ms > 0 ? ms / 1000 : 0;

	if (s < 90)
		buf_addf(b, "%" PRId64 " s", s);
	else if (s < 5400)
		buf_addf(b, "%" PRId64 " min", (s + 30) / 60);
	else if (s < 172800)
		buf_addf(b, "%" PRId64 " h", (s + 1800) / 3600);
	else
		buf_addf(b, "%" PRId64 " days", s / 86400);
}

static void
clock_text(char *out, size_t size, msec_t at)
{
	time_t t = (time_t)(at / 1000);
	struct tm tm;

	(void)strftime(out, size, "%Y-%m-%d %H:%M:%S %Z", localtime_r(&t, &tm));
}

static double
member(const struct status_sample *s, size_t offset)
{
	return *(const double *)(const void *)((const char *)s + offset);
}

/* Of the last minute: the mean of what was measured; -1 = nothing was. */
static double
recent(const struct status_view *v, size_t offset)
{
	double sum = 0;
	unsigned n = 0;

	for (size_t i = v->n > 6 ? v->n - 6 : 0; i < v->n; i++) {
		double x = member(&v->s[i], offset);

		sum += x >= 0 ? x : 0;
		n += x >= 0;
	}
	return n > 0 ? sum / n : -1;
}

/* ---- tiles ---- */

static const struct {
	const char *name, *key;
	size_t offset;
	enum unit unit;
} tiles[] = {
	{ "clients wait for changes", "waiting", offsetof(struct status_sample, waiting), UNIT_COUNT },
	{ "syncs", "syncs", offsetof(struct status_sample, syncs), UNIT_RATE },
	{ "median answer time", "half_ms", offsetof(struct status_sample, half_ms), UNIT_MS },
	{ "95th percentile (p95)", "most_ms", offsetof(struct status_sample, most_ms), UNIT_MS },
	{ "requests fail", "failed", offsetof(struct status_sample, failed), UNIT_SHARE },
	{ "calls of OX", "ox", offsetof(struct status_sample, ox), UNIT_RATE },
};

static void
add_tiles(const struct status_view *v, struct buf *b)
{
	buf_adds(b, "<ul class=\"tiles\">");
	for (size_t i = 0; i < ARRAY_LEN(tiles); i++) {
		const char *suffix;
		char number[24];

		format(recent(v, tiles[i].offset), tiles[i].unit, number, &suffix);
		buf_addf(b, "<li class=\"card tile\"><b>%s<small>%s</small></b><span>%s</span></li>", number, suffix, tiles[i].name);
	}
	buf_adds(b, "</ul>");
}

/* ---- plots ---- */

struct plot {
	const char *id, *title, *name[2]; /* name[1] NULL: one line */
	size_t offset[2];
	enum unit unit;
	double least;                     /* the scale is never smaller, so that nothing looks like a mountain */
};

static const struct plot plots[] = {
	{ "waiting", "Clients that wait for changes", { "clients", NULL }, { offsetof(struct status_sample, waiting), 0 }, UNIT_COUNT, 10 },
	{ "syncs", "Syncs a second", { "syncs", NULL }, { offsetof(struct status_sample, syncs), 0 }, UNIT_RATE, 1 },
	{ "times", "Time of a request", { "median", "p95" }, { offsetof(struct status_sample, half_ms), offsetof(struct status_sample, most_ms) }, UNIT_MS, 20 },
	{ "errors", "Share that fails", { "requests", "calls of OX" }, { offsetof(struct status_sample, failed), offsetof(struct status_sample, ox_failed) },
	    UNIT_SHARE, 0.05 },
	{ "wake", "From a change to the answer", { "p95", NULL }, { offsetof(struct status_sample, wake_ms), 0 }, UNIT_MS, 20 },
	{ "servers", "Calls of OX and PostgreSQL, p95", { "OX", "PostgreSQL" }, { offsetof(struct status_sample, ox_ms), offsetof(struct status_sample, pg_ms) },
	    UNIT_MS, 20 },
};

/* The next number that a person would end a scale with. */
static double
round_up(double v)
{
	static const double steps[] = { 1, 1.5, 2, 3, 4, 5, 6, 8 };
	double p = pow(10, floor(log10(v)));

	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		if (v <= steps[i] * p * 1.0001)
			return steps[i] * p;
	return 10 * p;
}

struct points {
	double x[POINTS], y[POINTS]; /* of the picture; of the sample, -1 = nothing */
	size_t n;
	double top;                  /* -1 = nothing was measured at all */
};

/* Where the time AT is between the first and the last sample. */
static double
at_x(const struct status_view *v, msec_t at)
{
	msec_t from = v->s[0].at, to = v->s[v->n - 1].at;

	return to > from ? PLOT_LEFT + (PLOT_RIGHT - PLOT_LEFT) * (double)(at - from) / (double)(to - from) : PLOT_RIGHT;
}

/* Neighbours together, the larger one counts, so that a peak is never lost. */
static void
points_of(const struct status_view *v, size_t offset, struct points *p)
{
	size_t step = (v->n + POINTS - 1) / POINTS;

	p->n = 0;
	p->top = -1;
	for (size_t i = 0; step > 0 && i < v->n; i += step) {
		double y = -1;

		for (size_t k = i; k < i + step && k < v->n; k++)
			y = fmax(y, member(&v->s[k], offset));
		p->x[p->n] = at_x(v, v->s[i + step <= v->n ? i + step - 1 : v->n - 1].at);
		p->y[p->n++] = y;
		p->top = fmax(p->top, y);
	}
}

static double
at_y(double v, double top)
{
	return PLOT_BOTTOM - (PLOT_BOTTOM - PLOT_TOP) * v / top;
}

/* A line with gaps where nothing was measured; closed down to the axis when AREA. */
static void
add_line(const struct points *p, double top, const char *class_, bool area, struct buf *b)
{
	bool open = false;
	size_t from = 0;

	buf_addf(b, "<path class=\"%s\" d=\"", class_);
	for (size_t i = 0; i <= p->n; i++) {
		if (i == p->n || p->y[i] < 0) {
			if (open && area)
				buf_addf(b, "L%.1f %.1fL%.1f %.1fZ", p->x[i - 1], PLOT_BOTTOM, p->x[from], PLOT_BOTTOM);
			open = false;
			continue;
		}
		if (!open)
			from = i;
		buf_addf(b, "%c%.1f %.1f", open ? 'L' : 'M', p->x[i], at_y(p->y[i], top));
		if (!open && !area && (i + 1 == p->n || p->y[i + 1] < 0)) /* one point alone is a dot */
			buf_addf(b, "h-2");
		open = true;
	}
	buf_adds(b, "\"/>");
}

static void
add_scale(const struct plot *d, double top, struct buf *b)
{
	const char *suffix;
	char number[24];

	for (int i = 0; i <= 2; i++) {
		double y = at_y(top * i / 2, top), shown = d->unit == UNIT_SHARE ? top * i * 50 : top * i / 2;

		buf_addf(b, "<path class=\"grid\" d=\"M%.0f %.1fH%.0f\"/>", PLOT_LEFT, y, PLOT_RIGHT);
		suffix = i == 0 ? "" : d->unit == UNIT_SHARE ? "%" : d->unit == UNIT_MS ? "ms" : "";
		if (i > 0 && d->unit == UNIT_MS && top >= 1000) {
			shown /= 1000;
			suffix = "s";
		}
		if (d->unit != UNIT_MS && shown >= 10000) {
			shown /= 1000;
			suffix = "k";
		}
		(void)snprintf(number, sizeof(number), "%g", shown);
		buf_addf(b, "<text class=\"axis\" x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%s%s</text>", PLOT_LEFT - 5, y + 4, number, suffix);
	}
}

/* Times of the day along the axis, as the log has them: whole hours, or parts of them while the ring is not full. */
static void
add_times(const struct status_view *v, struct buf *b)
{
	static const msec_t steps[] = { 60000, 300000, 600000, 1800000, 3600000 };
	msec_t from = v->n > 0 ? v->s[0].at : 0, to = v->n > 0 ? v->s[v->n - 1].at : 0, step = 0, zone;
	time_t t = (time_t)(to / 1000);
	struct tm tm;

	if (v->n < 2)
		return;
	for (size_t i = 0; i < ARRAY_LEN(steps) && (step == 0 || (to - from) / step > 4); i++)
		step = steps[i];
	zone = (msec_t)localtime_r(&t, &tm)->tm_gmtoff * 1000;
	for (msec_t at = ((from + zone) / step + 1) * step - zone; at < to; at += step) {
		double x = at_x(v, at);
		char shown[8];

		t = (time_t)(at / 1000);
		(void)strftime(shown, sizeof(shown), "%H:%M", localtime_r(&t, &tm));
		buf_addf(b, "<path class=\"grid\" d=\"M%.1f %.0fv4\"/>", x, PLOT_BOTTOM);
		if (x > PLOT_LEFT + 12 && x < PLOT_RIGHT - 46)
			buf_addf(b, "<text class=\"axis\" x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%s</text>", x, PLOT_H - 6, shown);
	}
	buf_addf(b, "<text class=\"axis\" x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\">now</text>", PLOT_RIGHT, PLOT_H - 6);
}

/* A line of the legend: sample of the stroke, name, what it is now. */
static void
add_key(const struct status_view *v, const struct plot *d, int i, struct buf *b)
{
	const char *suffix;
	char number[24];

	format(recent(v, d->offset[i]), d->unit, number, &suffix);
	buf_addf(b, "<span><svg viewBox=\"0 0 24 8\" aria-hidden=\"true\"><path class=\"l%d\" d=\"M0 4H24\"/></svg>%s <b>%s%s%s</b></span>", i + 1, d->name[i], number,
	    *suffix == '\0' ? "" : "\xc2\xa0", suffix);
}

/* The same in words, for those who do not see the picture. */
static void
add_words(const struct status_view *v, const struct plot *d, int i, double most, struct buf *b)
{
	const char *suffix, *top_suffix;
	char number[24], top[24];

	format(recent(v, d->offset[i]), d->unit, number, &suffix);
	format(most, d->unit, top, &top_suffix);
	buf_addf(b, "%s%s: now %s %s, at most %s %s", i > 0 ? "; " : "", d->name[i], number, suffix, top, top_suffix);
}

static void
add_plot(const struct status_view *v, const struct plot *d, struct buf *b)
{
	struct points p[2] = { { .top = -1 }, { .top = -1 } };
	int n = d->name[1] != NULL ? 2 : 1;
	double most, top;

	for (int i = 0; i < n; i++)
		points_of(v, d->offset[i], &p[i]);
	most = fmax(p[0].top, p[1].top);
	top = round_up(fmax(most * 1.05, d->least)); /* a line along the upper edge would look cut off */
	buf_addf(b, "<figure class=\"card\"><figcaption><h3 id=\"h-%s\">%s</h3></figcaption><div class=\"key\">", d->id, d->title);
	for (int i = 0; i < n; i++)
		add_key(v, d, i, b);
	buf_addf(b, "</div><svg class=\"plot\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-labelledby=\"h-%s d-%s\"><desc id=\"d-%s\">", PLOT_W, PLOT_H, d->id, d->id, d->id);
	for (int i = 0; i < n; i++)
		add_words(v, d, i, p[i].top, b);
	buf_adds(b, "</desc>");
	add_scale(d, top, b);
	add_times(v, b);
	add_line(&p[0], top, "f1", true, b);
	add_line(&p[0], top, "l1", false, b);
	if (n == 2)
		add_line(&p[1], top, "l2", false, b);
	if (most < 0)
		buf_addf(b, "<text class=\"axis\" x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\">nothing was measured</text>", (PLOT_LEFT + PLOT_RIGHT) / 2,
		    (PLOT_TOP + PLOT_BOTTOM) / 2 - 12);
	buf_adds(b, "</svg></figure>");
}

/* ---- tables ---- */

/* what is to be typed stands between backticks */
static const struct {
	const char *event, *what, *advice;
} advices[] = {
	{ "stuck", "It asked for the same again and again; one object was set aside",
	  "See the log for type and folder; look at the object in OX, or update the device's program." },
	{ "rejected-object", "It cannot store an object", "The log names the object; the program of the device may be too old for it." },
	{ "broken-object", "OX cannot show an object", "Look at OX's log; the rest of the folder is synchronized, and OX is asked for it again." },
	{ "deletions-held", "It would delete a large part of a folder; nothing is deleted yet", "Ask its user, then `usmctl held` `--release` or `--refuse`." },
	{ "repeated-create", "It creates the same again and again; further ones are refused", "`usmctl duplicates` lists them; update the device's program." },
	{ "flood", "It makes too many requests and is slowed down", "Update or restart the program; `flood_rate` is the limit." },
	{ "slow-request", "Requests took longer than `slow_request`", "The log line says where the time went: queue, database, OX or cache." },
	{ "request-failed", "A request met an error of the server", "The log line has the reason; report it if it comes again." },
	{ "conflict", "A conflict record cannot be opened", "Was the master key changed?" },
	{ "trace-on", "It is being traced", "Ends by itself; `usmctl trace --off` ends it now." },
	{ "cache.down", "Redis is not reached", "Start Redis, or look at `redis_url`; all works without it, only slower." },
	{ "notify.down", "PostgreSQL's notifications are not heard", "Look at PostgreSQL; other nodes' changes may come late." },
	{ "store.silent", "PostgreSQL did not answer", "Look at PostgreSQL and the network between." },
	{ "push-silent", "OX's push does not tell what polling finds", "`usmctl sources` names the accounts; see usmd(8), PUSH OF OX." },
	{ "udp-push", "OX's UDP push: a node is not known, or a stranger sends", "See the log; `udp_nodes` names the nodes." },
	{ "files-limit", "Too few open files for `max_connections`", "Raise `LimitNOFILE` of the service." },
	{ "self-test", "A test change did not arrive", "Look at Redis and PostgreSQL; the log names the path." },
};

static void
add_trouble(const struct trouble *t, msec_t now, struct buf *b)
{
	const char *what = NULL, *advice = "See the log for this event.";
	bool bad = t->level == LOG_LVL_ERROR;

	for (size_t i = 0; i < ARRAY_LEN(advices); i++)
		if (strcmp(advices[i].event, t->event) == 0) {
			what = advices[i].what;
			advice = advices[i].advice;
		}
	buf_adds(b, "<tr><th scope=\"row\">");
	if (t->device != 0)
		buf_addf(b, "Device %" PRId64, t->device);
	else
		buf_adds(b, "Server");
	buf_addf(b, "</th><td><span class=\"pill %s\">%s</span></td><td data-k=\"What\">", bad ? "bad" : "warn", bad ? "Error" : "Warning");
	advice_text(b, what != NULL ? what : t->event);
	buf_addf(b, "</td><td class=\"n\" data-k=\"Times\">%" PRIu64 "</td><td class=\"t\" data-k=\"Last\">", t->count);
	ago(b, now - t->last);
	buf_adds(b, " ago</td><td data-k=\"What to do\">");
	advice_text(b, advice);
	buf_adds(b, "</td></tr>");
}

static void
add_troubles(const struct status_view *v, struct buf *b)
{
	buf_adds(b, "<h2>Trouble, and what to do</h2><div class=\"card\">");
	if (v->n_troubles == 0) {
		buf_adds(b, "<p class=\"none\">No device and no part of the server has been in trouble during the last three hours.</p></div>");
		return;
	}
	buf_adds(b, "<div class=\"scroll\"><table class=\"r\"><caption>Warnings and errors of the last three hours. Devices have the numbers of the log.</caption><thead><tr>"
	    "<th scope=\"col\">Who</th><th scope=\"col\">Kind</th><th scope=\"col\">What</th><th scope=\"col\" class=\"n\">Times</th><th scope=\"col\">Last</th>"
	    "<th scope=\"col\">What to do</th></tr></thead><tbody>");
	for (size_t i = 0; i < v->n_troubles; i++)
		add_trouble(&v->t[i], v->f.now, b);
	buf_adds(b, "</tbody></table></div></div>");
}

/* The number of the sample NAME in the text that Prometheus gets. */
static int64_t
sample_of(const char *page, const char *name)
{
	const char *p = page;
	char line[100], number[24];
	size_t n;
	int64_t v = 0;

	(void)snprintf(line, sizeof(line), "%s ", name);
	while ((p = strstr(p, line)) != NULL && p != page && p[-1] != '\n')
		p++;
	if (p == NULL)
		return 0;
	p += strlen(line);
	n = strcspn(p, "\n");
	(void)snprintf(number, sizeof(number), "%.*s", (int)(n < 23 ? n : 23), p);
	return parse_i64(number, 0, INT64_MAX, &v) ? v : 0;
}

static void
add_sources(const struct status_view *v, struct buf *b)
{
	static const struct { const char *source, *name; } rows[] = { { "own", "Clients of this node" }, { "node", "Other nodes" }, { "udp", "OX's push by UDP" },
		{ "webhook", "OX's webhook" }, { "poll", "Asking OX" } };
	char name[80];

	buf_adds(b, "<div class=\"card\"><div class=\"scroll\"><table><caption>What told that something changed, since the start</caption><thead><tr><th scope=\"col\">Source</th>"
	    "<th scope=\"col\" class=\"n\">Changes</th><th scope=\"col\" class=\"n\">Last</th></tr></thead><tbody>");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t last;

		(void)snprintf(name, sizeof(name), "usmd_source_events_total{source=\"%s\"}", rows[i].source);
		buf_addf(b, "<tr><th scope=\"row\">%s</th><td class=\"n\">%" PRId64 "</td><td class=\"n\">", rows[i].name, sample_of(v->f.sources, name));
		(void)snprintf(name, sizeof(name), "usmd_source_last_event_seconds{source=\"%s\"}", rows[i].source);
		last = sample_of(v->f.sources, name);
		if (last == 0) {
			buf_adds(b, "never");
		} else {
			ago(b, v->f.now - last * 1000);
			buf_adds(b, " ago");
		}
		buf_adds(b, "</td></tr>");
	}
	buf_adds(b, "</tbody></table></div></div>");
}

#define PATHS_TITLE "Proxies and routers that end silent connections"

static void
add_paths(const struct status_view *v, struct buf *b)
{
	buf_adds(b, "<div class=\"card\">");
	if (v->f.n_paths == 0) {
		buf_addf(b, "<p class=\"cap\">" PATHS_TITLE "</p><p class=\"none\">%s</p></div>", v->f.paths == NULL ? "The database does not answer." :
		    "None is known: clients wait as long as they ask for.");
		return;
	}
	buf_adds(b, "<div class=\"scroll\"><table><caption>" PATHS_TITLE "</caption><thead><tr>"
	    "<th scope=\"col\">Clients</th><th scope=\"col\" class=\"n\">Cut after</th><th scope=\"col\" class=\"n\">Answered after</th></tr></thead><tbody>");
	for (size_t i = 0; i < v->f.n_paths; i++) {
		buf_adds(b, "<tr><th scope=\"row\">");
		text(b, v->f.paths[i].net);
		buf_addf(b, "</th><td class=\"n\">%u s</td><td class=\"n\">%u s</td></tr>", v->f.paths[i].cut_s, v->f.paths[i].safe_s);
	}
	buf_adds(b, "</tbody></table></div></div>");
}

/* ---- the page ---- */

static const char *const words[] = { "Ready", "Degraded", "Not ready", "Draining" };

static void
add_head(const struct status_view *v, struct buf *b)
{
	static const char *const classes[] = { "ok", "warn", "bad", "warn" };
	static const char *const shapes[] = { "M2 8l4 4 8-9", "M8 2l7 12H1zM8 6v4M8 12v1", "M3 3l10 10M13 3L3 13", "M8 2v8M4 7l4 4 4-4M3 14h10" };
	char at[48];

	clock_text(at, sizeof(at), v->f.now);
	buf_addf(b, "<header><h1>usmd</h1><span class=\"pill %s\"><svg viewBox=\"0 0 16 16\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\" "
	    "stroke-linecap=\"round\" stroke-linejoin=\"round\" aria-hidden=\"true\"><path d=\"%s\"/></svg>%s</span><span class=\"meta\"><span>Version "
	    USMD_VERSION "</span> <span>up for ", classes[v->f.health], shapes[v->f.health], words[v->f.health]);
	ago(b, v->f.now - v->f.began);
	buf_addf(b, "</span> <span>%s</span></span></header>", at);
	if (v->f.health != HTTPD_READY && v->f.why[0] != '\0') {
		buf_adds(b, "<p class=\"why\">");
		text(b, v->f.why);
		buf_adds(b, "</p>");
	}
}

void
status_main(const struct status_view *v, struct buf *b)
{
	add_head(v, b);
	buf_addf(b, "<h2>Now <small>%s</small></h2>", v->n > 0 ? "mean of the last minute" : "the first values come 20 seconds after the start");
	add_tiles(v, b);
	buf_adds(b, "<h2>The last three hours</h2><div class=\"plots\">");
	for (size_t i = 0; i < ARRAY_LEN(plots); i++)
		add_plot(v, &plots[i], b);
	buf_adds(b, "</div>");
	add_troubles(v, b);
	buf_adds(b, "<h2>Where changes come from</h2><div class=\"two\">");
	add_sources(v, b);
	add_paths(v, b);
	buf_adds(b, "</div>");
}

void
status_html(const struct status_view *v, struct buf *b)
{
	buf_adds(b, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>usmd \xe2\x80\x93 ");
	buf_adds(b, words[v->f.health]);
	buf_adds(b, "</title><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"robots\" content=\"noindex\">"
	    "<noscript><meta http-equiv=\"refresh\" content=\"30\"></noscript><style>");
	buf_adds(b, style);
	buf_adds(b, "</style></head><body><div class=\"wrap\"><main id=\"main\">");
	status_main(v, b);
	buf_adds(b, "</main><footer>This node alone; read-only. <span id=\"live\" role=\"status\">Reloads every 30 seconds.</span></footer></div><script>");
	buf_adds(b, script);
	buf_adds(b, "</script></body></html>\n");
}

static void
json_quote(struct buf *b, const char *s, size_t n)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '"' || s[i] == '\\')
			buf_addc(b, '\\');
		buf_addc(b, (unsigned char)s[i] < 0x20 ? ' ' : s[i]);
	}
	buf_addc(b, '"');
}

void
status_json(const struct status_view *v, struct buf *b)
{
	struct buf html;

	buf_init(&html, 0);
	status_main(v, &html);
	buf_addf(b, "{\"time\":%" PRId64 ",\"version\":\"" USMD_VERSION "\",\"status\":", v->f.now);
	json_quote(b, words[v->f.health], strlen(words[v->f.health]));
	buf_addf(b, ",\"uptime_seconds\":%" PRId64 ",\"troubles\":%zu", (v->f.now - v->f.began) / 1000, v->n_troubles);
	for (size_t i = 0; i < ARRAY_LEN(tiles); i++) {
		double x = recent(v, tiles[i].offset);

		if (x < 0)
			buf_addf(b, ",\"%s\":null", tiles[i].key);
		else
			buf_addf(b, ",\"%s\":%.4f", tiles[i].key, x);
	}
	buf_adds(b, ",\"main\":");
	json_quote(b, html.failed ? "" : html.p, html.failed ? 0 : html.len);
	buf_adds(b, "}\n");
	if (html.failed)
		b->failed = true;
	buf_fini(&html);
}
