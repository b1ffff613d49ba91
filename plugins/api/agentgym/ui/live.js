/* SPDX-License-Identifier: Apache-2.0 */
/* Follows one training session: by WebSocket, and by polling while that does not work. */
import {api} from './api.js';

const POLL_MS = 2000;
const WAIT_MIN_MS = 500;
const WAIT_MAX_MS = 30000;
const LAST_WORD = new Set(['completed', 'stopped', 'failed']);
const HOPELESS = new Set([4403, 4404]);

export function isOver(status) {
    return LAST_WORD.has(status);
}

/* handlers: session(status object), rows(history rows), event(message), state('live' | 'polling' |
 * 'ended' | 'lost'), gap(message). Everything the server still knows about the session is sent first. */
export class LiveSession {
    constructor(id, handlers) {
        this.id = id;
        this.handlers = handlers;
        this.seq = 0;
        this.tries = 0;
        this.lastEpisode = 0;
        this.isClosed = false;
        this.isEnded = false;
        this.connect();
    }

    close() {
        this.isClosed = true;
        clearTimeout(this.retryTimer);
        clearTimeout(this.pollTimer);
        this.socket?.close();
    }

    async connect() {
        let url;

        try {
            url = await api.watchUrl(this.id, {since: this.seq, events: 'all', interval_ms: 250});
        } catch {
            this.retry();
            return;
        }
        if (this.isClosed)
            return;
        this.socket = new WebSocket(url);
        this.socket.onmessage = (event) => this.receive(event.data);
        this.socket.onclose = (event) => this.lost(event.code);
    }

    receive(text) {
        let message;

        if (this.isClosed)
            return;
        try {
            message = JSON.parse(text);
        } catch {
            return;
        }
        if (this.tries >= 0) {
            this.tries = -1; /* it works: the next loss starts counting anew */
            clearTimeout(this.pollTimer);
            this.pollTimer = undefined;
            this.handlers.state('live');
        }
        this.deliver(message);
    }

    deliver(message) {
        if (Number.isFinite(message.seq))
            this.seq = Math.max(this.seq, message.seq);
        switch (message.type) {
        case 'training_update':
            this.take(message.data);
            if (message.final)
                this.end();
            break;
        case 'episode':
            this.takeRows([message.data]);
            break;
        case 'episodes':
            this.takeRows(message.data);
            break;
        case 'gap':
            this.seq = Math.max(this.seq, message.to);
            this.handlers.gap(message);
            break;
        case 'evaluation':
        case 'status':
        case 'checkpoint':
        case 'model_saved':
            this.handlers.event(message);
            break;
        default:
            break; /* pong, ack and what later servers may add */
        }
    }

    take(session) {
        this.handlers.session(session);
    }

    takeRows(rows) {
        if (rows.length > 0)
            this.lastEpisode = Math.max(this.lastEpisode, rows[rows.length - 1].episode);
        this.handlers.rows(rows);
    }

    lost(code) {
        this.socket = undefined;
        if (this.isClosed || this.isEnded)
            return;
        if (HOPELESS.has(code)) {
            this.handlers.state('lost');
            return;
        }
        this.retry();
    }

    /* 0.5 s to 30 s, doubled each time, with jitter; meanwhile the status is polled. */
    retry() {
        if (this.isClosed)
            return;
        this.tries = Math.max(this.tries, 0) + 1;
        const wait = Math.min(WAIT_MAX_MS, WAIT_MIN_MS * 2 ** (this.tries - 1));

        this.retryTimer = setTimeout(() => this.connect(), wait * (0.5 + Math.random() / 2));
        if (this.pollTimer === undefined)
            this.poll();
    }

    async poll() {
        try {
            const session = await api.session(this.id);
            const rows = await api.history(this.id, this.lastEpisode);

            if (this.isClosed || this.isEnded || this.tries < 0)
                return;
            this.handlers.state('polling');
            this.take(session);
            this.takeRows(rows);
            if (isOver(session.status)) {
                this.end();
                return;
            }
        } catch (error) {
            if (this.isClosed)
                return;
            this.handlers.state('lost');
            if (error.status === 404)
                return;
        }
        this.pollTimer = setTimeout(() => this.poll(), POLL_MS);
    }

    end() {
        this.isEnded = true;
        clearTimeout(this.retryTimer);
        clearTimeout(this.pollTimer);
        this.handlers.state('ended');
    }
}
