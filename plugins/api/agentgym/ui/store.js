/* SPDX-License-Identifier: Apache-2.0 */
/* What this browser remembers. Keys and tokens are never among it. */

const ACTIVE = 'active-training-session';
const SETTINGS = 'agentgym-settings';
const THEME = 'agentgym-theme';

function read(key) {
    try {
        return localStorage.getItem(key);
    } catch {
        return null; /* storage is off; nothing is remembered then */
    }
}

function write(key, value) {
    try {
        if (value === null)
            localStorage.removeItem(key);
        else
            localStorage.setItem(key, value);
    } catch {
        /* storage is off or full */
    }
}

/* The session last started here; other clients write a bare id or an object with session_id. */
export function activeSession() {
    const text = read(ACTIVE);

    if (!text || !/^[{"]/.test(text))
        return text || '';
    try {
        const value = JSON.parse(text);
        return typeof value === 'string' ? value : value.session_id || value.sessionId || '';
    } catch {
        return '';
    }
}

export function setActiveSession(id) {
    write(ACTIVE, id || null);
}

/* The server's settings as last seen, for the moments when it does not answer. */
export function cachedSettings() {
    try {
        return JSON.parse(read(SETTINGS) || '{}') || {};
    } catch {
        return {};
    }
}

export function cacheSettings(settings) {
    const {openaiKey, anthropicKey, ...rest} = settings;

    void openaiKey;
    void anthropicKey;
    write(SETTINGS, JSON.stringify(rest));
}

export function theme() {
    return read(THEME) || 'auto';
}

export function setTheme(value) {
    write(THEME, value === 'auto' ? null : value);
}
