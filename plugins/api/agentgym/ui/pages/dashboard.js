/* SPDX-License-Identifier: Apache-2.0 */
/* What is going on: counts, running sessions, newest models. */
import {api} from '../api.js';
import {badge, empty, fmt, h, pageHead, progress, table} from '../dom.js';
import {isOver} from '../live.js';
import {activeSession} from '../store.js';

const REFRESH_MS = 3000;

function tile(label, value, note, href) {
    return h('a', {class: 'tile', href}, h('span', {class: 'tile-label'}, label),
        h('span', {class: 'tile-value'}, value), h('span', {class: 'tile-note'}, note));
}

function mean(values) {
    return values.length > 0 ? values.reduce((a, b) => a + b, 0) / values.length : NaN;
}

function tiles(data) {
    const waiting = data.pending.total;
    const accuracy = mean(data.models.items.map((model) => model.accuracy));

    return h('div', {class: 'tiles'},
        tile('Running sessions', fmt.integer(data.running.total),
            waiting > 0 ? `${waiting} waiting for a slot` : 'none waiting', '#/training'),
        tile('Models', fmt.integer(data.models.total), 'trained or imported', '#/models'),
        tile('Scenarios', fmt.integer(data.scenarios.length),
            `${data.scenarios.filter((one) => !one.builtin).length} of your own`, '#/scenarios'),
        tile('Mean accuracy', fmt.percent(accuracy),
            data.models.total > 0 ? `of ${fmt.integer(data.models.items.length)} models` : 'no model yet',
            '#/models'));
}

function sessionLine(session, names) {
    return h('li', null, h('a', {class: 'session-line', href: `#/training/${session.session_id}`},
        h('span', {class: 'session-name'}, session.name || names.get(session.scenario_id)
            || session.scenario_id, h('small', null, `${session.framework}, ${session.algorithm}`)),
        badge(session.status),
        h('span', {class: 'session-progress'},
            progress(session.current_episode, session.max_episodes, 'Episodes'),
            h('small', null, `${session.current_episode} of ${session.max_episodes} episodes`)),
        h('span', {class: 'session-figure'}, fmt.percent(session.accuracy), h('small', null, 'accuracy'))));
}

function modelRow(model, names) {
    return [h('a', {href: `#/models/${model.id}`}, model.name), names.get(model.scenario) || model.scenario,
        fmt.percent(model.accuracy), fmt.time(model.created_at)];
}

function draw(view, data) {
    const names = new Map(data.scenarios.map((one) => [one.id, one.name]));
    const active = data.recent.items.filter((session) => !isOver(session.status));
    const shown = active.length > 0 ? active : data.recent.items.slice(0, 5);
    const last = data.recent.items.find((session) => session.session_id === activeSession());

    view.show(
        pageHead('Dashboard', 'Training and models on this server',
            last && h('a', {class: 'button', href: `#/training/${last.session_id}`}, 'Last session'),
            h('a', {class: 'button primary', href: '#/scenarios'}, 'Start training')),
        tiles(data),
        h('section', {class: 'card'},
            h('h2', null, active.length > 0 ? 'Active sessions' : 'Recent sessions'),
            shown.length > 0
                ? h('ul', {class: 'session-lines'}, shown.map((one) => sessionLine(one, names)))
                : empty('Nothing was trained here yet.',
                    h('a', {class: 'button', href: '#/scenarios'}, 'Choose a scenario'))),
        h('section', {class: 'card'}, h('h2', null, 'Newest models'),
            data.models.items.length > 0
                ? table('Newest models', [{title: 'Name'}, {title: 'Scenario'},
                    {title: 'Accuracy', numeric: true}, {title: 'Made'}],
                data.models.items.slice(0, 5).map((model) => modelRow(model, names)))
                : empty('A finished session leaves a model here.')));
}

export async function dashboardPage(view) {
    let isFirst = true, last = '';

    await view.repeat(REFRESH_MS, async () => {
        try {
            const [scenarios, running, pending, recent, models] = await Promise.all([api.scenarios(),
                api.sessions({status: 'running', limit: 1}), api.sessions({status: 'pending', limit: 1}),
                api.sessions({limit: 20}), api.models()]);
            const data = {scenarios, running, pending, recent, models};
            const text = JSON.stringify(data);

            if (text !== last) /* what is unchanged stays in place, focus included */
                draw(view, data);
            last = text;
            isFirst = false;
        } catch (error) {
            if (isFirst)
                throw error;
        }
    });
}
