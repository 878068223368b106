// The page /socketexample: one connection for the clock and the chat, another for
// the echo lab, and one for whoever shows a token.

import { Belfry } from '../belfry.mjs';
import { showChat } from './chat.js';
import { showClock } from './clock.js';
import { home, showCurl } from './curl.js';
import { showEcho } from './echo.js';
import { showLine } from './line.js';
import { showPrivate } from './private.js';
import { showTransport } from './transport.js';

const belfry = new Belfry(home);
showLine(belfry);
showClock(belfry);
showChat(belfry);
const reconnectPrivate = showPrivate();
const reconnectEcho = showEcho();
showCurl();
showTransport(belfry, () => {
  belfry.reconnect('another transport was chosen');
  belfry.connect(); // without the pause after a loss
  reconnectPrivate();
  reconnectEcho();
});
