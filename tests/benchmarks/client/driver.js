'use strict';
/* One scenario with the SDK in JavaScript, in a process of its own; prints one line of JSON. See driver.py.
 *
 *   NODE_PATH=node_modules node --expose-gc driver.js SCENARIO JSON
 */
const fs = require('fs');
const http = require('http');
const { Worker } = require('twilio-taskrouter');

const [scenario, text] = process.argv.slice(2);
const given = JSON.parse(text);

const now = () => Number(process.hrtime.bigint()) / 1e6;
const cpuUs = () => { const used = process.cpuUsage(); return used.user + used.system; };
const rssMb = () => process.memoryUsage().rss / 1e6;
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const quantile = (values, share) => {
    const ordered = Float64Array.from(values).sort();
    return ordered[Math.min(ordered.length - 1, Math.floor(share * ordered.length))];
};

function control(wanted) {
    return new Promise((resolve, reject) => {
        const body = JSON.stringify(wanted);
        const options = { port: given.port, path: '/control', method: 'POST', agent: false, headers: { 'Content-Length': body.length } };
        const request = http.request({ host: '127.0.0.1', ...options }, (answer) => {
            let got = '';
            answer.on('data', (data) => { got += data; });
            answer.on('end', () => resolve(JSON.parse(got)));
        });
        request.on('error', reject);
        request.end(body);
    });
}

function make() {
    const secure = given.tls_port ? 's' : '';
    const at = secure ? `localhost:${given.tls_port}` : `127.0.0.1:${given.port}`;
    const path = '/v1/wschannels';
    return new Worker(given.token, { ebServer: `http${secure}://${at}${path}`, wsServer: `ws${secure}://${at}${path}`, logLevel: 'error' });
}

function ready(worker) {
    return new Promise((resolve, reject) => {
        worker.once('ready', () => resolve(worker));
        worker.once('error', reject);
    });
}

async function connected(open = 0) {
    await control({ open, delay: 0 });
    const worker = await ready(make());
    // `ready` does not wait for the pages after the first.
    while (worker.reservations.size < open) { await pause(5); }
    return worker;
}

class Burst {
    constructor(events) {
        this.left = this.events = events;
        this.last = -1;
        this.over = new Promise((resolve, reject) => { this.done = resolve; this.fail = reject; });
    }

    count() {
        this.left -= 1;
        if (!this.left) { this.endedAt = now(); this.done(); }
    }

    check(task) {
        const { seq } = task.attributes;
        if (seq <= this.last) { throw new Error(`event ${seq} after ${this.last}`); }
        this.last = seq;
        this.count();
    }

    async run(kind, more = {}) {
        await control({ burst: kind, events: this.events, ...more });
        const begun = now();
        const spent = cpuUs();
        await control({ go: true, ...more });
        // The SDK loses events for good where a busy machine makes it reconnect.
        setTimeout(() => this.fail(new Error(`${this.left} events did not come`)), 120e3).unref();
        await this.over;
        return { per_s: 1e3 * this.events / (this.endedAt - begun), cpu_us: (cpuUs() - spent) / this.events };
    }
}

const scenarios = {
    async cold() {
        await ready(make());
        fs.writeSync(1, 'READY\n');
        return { rss_mb: rssMb() };
    },
    async warm() {
        const times = [];
        for (let round = 0; round < given.rounds; round += 1) {
            const begun = now();
            const worker = await ready(make());
            times.push(now() - begun);
            worker.disconnect();
            await pause(5);
        }
        return { ready_ms: quantile(times.slice(Math.floor(times.length / 10)), 0.5) };
    },
    async churn() {
        const worker = await connected();
        const burst = new Burst(given.events);
        worker.on('reservationCreated', (reservation) => {
            burst.check(reservation.task);
            reservation.on('canceled', () => burst.count());
        });
        return burst.run('churn');
    },
    async updated() {
        const worker = await connected(given.open);
        const burst = new Burst(given.events);
        worker.reservations.forEach((each) => each.task.on('updated', (task) => burst.check(task)));
        return burst.run('updated');
    },
    async accepted() {
        const worker = await connected(given.open);
        const burst = new Burst(given.events);
        worker.reservations.forEach((each) => each.on('accepted', (reservation) => burst.check(reservation.task)));
        return burst.run('accepted');
    },
    async latency() {
        const worker = await connected(1);
        const burst = new Burst(given.events);
        const late = [];
        const note = (task) => {
            late.push(1e3 * now() - task.attributes.sent_ns / 1e3);
            burst.count();
        };
        if (given.kind === 'churn') {
            worker.on('reservationCreated', (reservation) => {
                note(reservation.task);
                reservation.on('canceled', () => burst.count());
            });
        } else {
            worker.reservations.values().next().value.task.on('updated', note);
        }
        await burst.run(given.kind, { rate: given.rate });
        const counted = late.slice(Math.floor(late.length / 10));
        return { p50_us: quantile(counted, 0.5), p99_us: quantile(counted, 0.99) };
    },
    async memory() {
        const worker = await connected();
        const sizes = [];
        let burst;
        worker.on('reservationCreated', (reservation) => {
            burst.count();
            reservation.on('canceled', () => burst.count());
        });
        for (let batch = 0; batch < given.batches; batch += 1) {
            burst = new Burst(given.events);
            await burst.run('churn');
            await pause(1e3 * given.pause);
            global.gc();
            sizes.push(rssMb());
        }
        const grown = (sizes[sizes.length - 1] - sizes[0]) / Math.max(1, sizes.length - 1);
        return { mb_per_10k: grown * 20000 / given.events };
    },
    async calls() {
        const worker = await connected(given.width);
        const reservations = [...worker.reservations.values()];
        await control({ delay: given.delay });
        for (const reservation of reservations) { await reservation.accept(); }
        const times = [];
        let next = 0;
        const begun = now();
        const spent = cpuUs();
        const lane = async (reservation) => {
            while (next < given.calls) {
                next += 1;
                const at = now();
                await reservation.accept();
                times.push(now() - at);
            }
        };
        await Promise.all(reservations.map(lane));
        const seconds = (now() - begun) / 1e3;
        return { per_s: given.calls / seconds, p99_ms: quantile(times, 0.99), cpu_us: (cpuUs() - spent) / given.calls };
    },
    async many() {
        await control({ open: 0, delay: 0 });
        const begun = now();
        const waiting = [];
        for (let index = 0; index < given.workers; index += 1) { waiting.push(ready(make())); }
        await Promise.all(waiting);
        const took = now() - begun;
        await pause(500);
        return { ready_ms: took, rss_mb: rssMb(), threads: fs.readdirSync('/proc/self/task').length };
    },
    async slow() {
        const worker = await connected();
        const burst = new Burst(given.events);
        worker.on('reservationCreated', () => {
            const until = now() + 1;
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
            while (now() < until) { /* a callback that takes a millisecond */ }
            burst.count();
        });
        await burst.run('created', { ping: true });
        const stats = await control({ stats: true });
        return { drained_ms: stats.drained_ms, ping_ms: stats.ping_ms };
    },
};

scenarios[scenario]().then((found) => {
    fs.writeSync(1, `${JSON.stringify(found)}\n`);
    process.exit(0);
}, (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
});
