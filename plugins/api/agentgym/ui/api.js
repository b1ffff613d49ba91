/* SPDX-License-Identifier: Apache-2.0 */
/* Every call to the server, in one table, and what its errors say in words. */

/* The page lives at <base>/ui/agentgym/, the contract's paths start at <base>. */
const base = location.pathname.replace(/\/ui\/agentgym(\/.*)?$/, '');

const TOKEN_KEY = 'agentgym-token';

const routes = {
    health: 'GET /api/health',
    scenarios: 'GET /api/scenarios',
    scenario: 'GET /api/scenarios/{scenario_id}',
    createScenario: 'POST /api/scenarios',
    deleteScenario: 'DELETE /api/scenarios/{scenario_id}',
    algorithms: 'GET /api/algorithms',
    startTraining: 'POST /api/training/start',
    sessions: 'GET /api/training',
    session: 'GET /api/training/{session_id}',
    deleteSession: 'DELETE /api/training/{session_id}',
    history: 'GET /api/training/{session_id}/history',
    checkpoints: 'GET /api/training/{session_id}/checkpoints',
    pause: 'POST /api/training/{session_id}/pause',
    resume: 'POST /api/training/{session_id}/resume',
    stop: 'POST /api/training/{session_id}/stop',
    fork: 'POST /api/training/{session_id}/fork',
    models: 'GET /api/models',
    model: 'GET /api/models/{model_id}',
    renameModel: 'PATCH /api/models/{model_id}',
    deleteModel: 'DELETE /api/models/{model_id}',
    exportModel: 'GET /api/models/{model_id}/export',
    importModel: 'POST /api/models/import',
    act: 'POST /api/models/{model_id}/act',
    evaluate: 'POST /api/models/{model_id}/evaluate',
    compare: 'GET /api/compare',
    settings: 'GET /api/settings',
    saveSettings: 'PUT /api/settings',
    createEnv: 'POST /api/scenarios/{scenario_id}/envs',
    resetEnv: 'POST /api/envs/{env_id}/reset',
    stepEnv: 'POST /api/envs/{env_id}/step',
    deleteEnv: 'DELETE /api/envs/{env_id}',
    wsTicket: 'POST /api/auth/ws-ticket',
    watch: 'GET /ws/training/{session_id}',
};

/* The error answer of the server; fields maps a body member to what is wrong with it. */
export class ApiError extends Error {
    constructor(status, code, message, fields = {}, body = null) {
        super(message);
        this.name = 'ApiError';
        this.status = status;
        this.code = code;
        this.fields = fields;
        this.body = body;
    }
}

const statusWords = {
    401: 'The server asks for an access token. Enter one under Settings.',
    403: 'Your token does not allow this.',
    404: 'There is no such thing on the server.',
    413: 'That is more data than the server accepts.',
    429: 'The server is busy. Try again in a moment.',
    503: 'The server is starting or ending. Try again in a moment.',
};

/* detail is one sentence, or the list of everything that is wrong with the request. */
function describe(status, body) {
    const detail = body && body.detail;
    const fields = {};

    if (Array.isArray(detail)) {
        const lines = detail.map((violation) => {
            const path = (violation.loc || []).slice(1).join('.');
            const message = violation.msg || violation.type || 'is not valid';
            if (path !== '')
                fields[path] = message;
            return path === '' ? message : `${path}: ${message}`;
        });
        return {message: lines.join('. ') || 'The request is not valid.', fields};
    }
    if (typeof detail === 'string' && detail !== '' && status !== 401)
        return {message: detail, fields};
    return {message: statusWords[status] || `The server answered ${status}.`, fields};
}

export function token() {
    return sessionStorage.getItem(TOKEN_KEY) || '';
}

export function setToken(value) {
    if (value === '')
        sessionStorage.removeItem(TOKEN_KEY);
    else
        sessionStorage.setItem(TOKEN_KEY, value);
}

/* Fills {name} from params; what is left of params becomes the query. */
function target(route, params) {
    const [method, template] = route.split(' ');
    const query = new URLSearchParams();
    const used = new Set();
    const path = template.replace(/\{(\w+)\}/g, (_, name) => {
        used.add(name);
        return encodeURIComponent(params[name]);
    });

    for (const [name, value] of Object.entries(params))
        if (!used.has(name) && value !== undefined && value !== null && value !== '')
            query.set(name, value);
    const tail = query.toString();
    return {method, path: base + path + (tail === '' ? '' : `?${tail}`)};
}

async function send(name, params = {}, body = undefined, options = {}) {
    const {method, path} = target(routes[name], params);
    const headers = {Accept: 'application/json'};
    let response;

    if (token() !== '')
        headers.Authorization = `Bearer ${token()}`;
    if (body !== undefined)
        headers['Content-Type'] = 'application/json';
    if (options.idempotencyKey)
        headers['Idempotency-Key'] = options.idempotencyKey;
    try {
        response = await fetch(path, {
            method, headers, signal: options.signal,
            body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
        });
    } catch (error) {
        if (error.name === 'AbortError')
            throw error;
        throw new ApiError(0, 'unreachable', 'The server cannot be reached.');
    }
    if (!response.ok) {
        const answer = await response.json().catch(() => null);
        const {message, fields} = describe(response.status, answer);
        throw new ApiError(response.status, (answer && answer.code) || '', message, fields, answer);
    }
    return response;
}

async function json(name, params, body, options) {
    return (await send(name, params, body, options)).json();
}

/* A list and how many entries there are in all. */
async function list(name, params) {
    const response = await send(name, params);
    const items = await response.json();
    const total = Number(response.headers.get('X-Total-Count') ?? items.length);

    return {items, total};
}

/* Every row, however many requests that takes. */
async function history(id, sinceEpisode = 0) {
    const rows = [];
    let page, since = sinceEpisode;

    do {
        page = await json('history', {session_id: id, since_episode: since, limit: 1000});
        const fresh = rows.length === 0 ? page
            : page.filter((row) => row.episode > rows[rows.length - 1].episode);
        if (fresh.length === 0)
            break;
        rows.push(...fresh);
        since = rows[rows.length - 1].episode;
    } while (page.length === 1000);
    return rows;
}

async function exportModel(id, format) {
    const response = await send('exportModel', {model_id: id, format});
    const disposition = response.headers.get('Content-Disposition') || '';
    const named = /filename="([^"]+)"/.exec(disposition);

    return {
        blob: await response.blob(),
        filename: named ? named[1] : `${id}.${format}.json`,
    };
}

/* Where a WebSocket connects. A browser cannot set headers there, so a token becomes a ticket. */
async function watchUrl(id, query) {
    const ticket = token() === '' ? undefined : (await json('wsTicket')).ticket;
    const {path} = target(routes.watch, {session_id: id, ...query, ticket});

    return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${path}`;
}

export const api = {
    health: () => json('health'),
    scenarios: () => json('scenarios'),
    scenario: (id) => json('scenario', {scenario_id: id}),
    createScenario: (definition) => json('createScenario', {}, definition),
    deleteScenario: (id) => json('deleteScenario', {scenario_id: id}),
    algorithms: () => json('algorithms'),
    startTraining: (body, idempotencyKey) => json('startTraining', {}, body, {idempotencyKey}),
    sessions: (query = {}) => list('sessions', query),
    session: (id) => json('session', {session_id: id}),
    deleteSession: (id) => json('deleteSession', {session_id: id}),
    history,
    checkpoints: (id) => json('checkpoints', {session_id: id}),
    pause: (id) => json('pause', {session_id: id}),
    resume: (id) => json('resume', {session_id: id}),
    stop: (id, save) => json('stop', {session_id: id, save: save ? undefined : 'false'}),
    fork: (id, body) => json('fork', {session_id: id}, body),
    models: (query = {}) => list('models', query),
    model: (id) => json('model', {model_id: id}),
    renameModel: (id, name) => json('renameModel', {model_id: id}, {name}),
    deleteModel: (id) => json('deleteModel', {model_id: id}),
    exportModel,
    importModel: (text) => json('importModel', {}, text),
    act: (id, body) => json('act', {model_id: id}, body),
    evaluate: (id, body) => json('evaluate', {model_id: id}, body),
    compare: (query) => json('compare', query),
    settings: () => json('settings'),
    saveSettings: (body) => json('saveSettings', {}, body),
    createEnv: (scenarioId, body) => json('createEnv', {scenario_id: scenarioId}, body),
    resetEnv: (id, body) => json('resetEnv', {env_id: id}, body),
    stepEnv: (id, action) => json('stepEnv', {env_id: id}, {action}),
    deleteEnv: (id) => json('deleteEnv', {env_id: id}),
    watchUrl,
};
