/* SPDX-License-Identifier: Apache-2.0 */
/* The frame: navigation, routes, colours, and whether the server answers. */
import {api} from './api.js';
import {button, empty, h, put} from './dom.js';
import {setTheme, theme} from './store.js';
import {comparePage} from './pages/compare.js';
import {dashboardPage} from './pages/dashboard.js';
import {modelPage} from './pages/model.js';
import {modelsPage} from './pages/models.js';
import {playPage} from './pages/play.js';
import {scenariosPage} from './pages/scenarios.js';
import {sessionPage} from './pages/session.js';
import {settingsPage} from './pages/settings.js';
import {trainingPage} from './pages/training.js';

const HEALTH_MS = 10000;

const menu = [
    ['dashboard', 'Dashboard'],
    ['scenarios', 'Scenarios'],
    ['training', 'Training'],
    ['models', 'Models'],
    ['play', 'Play'],
    ['settings', 'Settings'],
];

const pages = {
    dashboard: dashboardPage,
    scenarios: scenariosPage,
    training: (view) => (view.id === '' ? trainingPage(view) : sessionPage(view)),
    models: (view) => (view.id === '' ? modelsPage(view) : modelPage(view)),
    compare: comparePage,
    play: playPage,
    settings: settingsPage,
};

const main = document.getElementById('main');
let current = null;

/* What a page is given: where to draw, its id and query, and how to run something again and again
 * until the reader goes elsewhere. */
class View {
    constructor(name, id, query) {
        this.name = name;
        this.id = id;
        this.query = query;
        this.cleanups = [];
        this.isOpen = true;
        this.root = h('div', {class: `page page-${name}`});
    }

    show(...nodes) {
        if (this.isOpen)
            put(this.root, ...nodes);
    }

    onClose(cleanup) {
        this.cleanups.push(cleanup);
    }

    /* Runs work now and then every ms, one at a time, not while the tab is hidden. */
    repeat(ms, work) {
        let timer;
        const run = async () => {
            if (!document.hidden)
                await work();
            if (this.isOpen)
                timer = setTimeout(run, ms);
        };

        this.onClose(() => clearTimeout(timer));
        return run();
    }

    close() {
        this.isOpen = false;
        this.cleanups.forEach((cleanup) => cleanup());
    }
}

function showMenu({name, query}) {
    const active = name !== 'compare' ? name : query.has('models') ? 'models' : 'training';

    document.getElementById('nav').replaceChildren(h('ul', null, menu.map(([id, label]) =>
        h('li', null, h('a', {href: `#/${id}`, 'aria-current': id === active ? 'page' : undefined},
            label)))));
    document.title = `${menu.find(([id]) => id === active)?.[1] ?? 'AgentGym'} · AgentGym`;
}

async function open() {
    const [path, search] = location.hash.replace(/^#\/?/, '').split('?');
    const [name, id = ''] = path.split('/').map(decodeURIComponent);
    const isKnown = Object.hasOwn(pages, name);
    const isFirst = current === null;

    if (name === '') {
        location.replace('#/dashboard');
        return;
    }
    current?.close();
    const view = new View(name, id, new URLSearchParams(search));
    current = view;
    showMenu(view);
    main.replaceChildren(view.root);
    scrollTo(0, 0);
    view.show(h('p', {class: 'loading', role: 'status'}, 'Loading'));
    try {
        if (isKnown)
            await pages[name](view);
        else
            view.show(empty('There is no such page.', h('a', {href: '#/dashboard'}, 'Go to the dashboard')));
    } catch (error) {
        view.show(h('div', {class: 'empty', role: 'alert'}, h('p', null, error.message),
            error.status === 401 ? h('a', {class: 'button', href: '#/settings'}, 'Settings')
                : button('Try again', open)));
    }
    if (!isFirst && view.isOpen)
        view.root.querySelector('h1')?.focus();
}

async function watchServer() {
    const place = document.getElementById('server');

    try {
        const health = await api.health();
        place.className = 'server is-up';
        place.textContent = `Server ${health.version}`;
    } catch (error) {
        place.className = 'server is-down';
        place.textContent = error.status === 503 ? 'Server is ending' : 'Server not reachable';
    }
    setTimeout(watchServer, HEALTH_MS);
}

function applyTheme() {
    const chosen = theme();

    if (chosen === 'auto')
        delete document.documentElement.dataset.theme;
    else
        document.documentElement.dataset.theme = chosen;
}

const themeSelect = document.getElementById('theme');

applyTheme();
themeSelect.value = theme();
themeSelect.addEventListener('change', () => {
    setTheme(themeSelect.value);
    applyTheme();
});
addEventListener('hashchange', open);
document.querySelector('.skip').addEventListener('click', (event) => {
    event.preventDefault(); /* the hash is the route */
    main.focus();
});
open();
watchServer();
