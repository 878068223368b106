// The first page: examples with this server's own address, and its clock.

import { Belfry } from '/belfry.mjs';
import { curlLine } from './curl.js';

const find = id => document.getElementById(id);

find('curl').textContent = curlLine(location.origin);
find('raw').textContent = `${location.origin.replace(/^http/, 'ws')}/ws/chat`;
find('subscribe-code').textContent = `<script src="${location.origin}/belfry.js"></script>
<script>
  const belfry = new Belfry('${location.origin}');
  belfry.subscribe('chat', ({ data }) => console.log(data));
</script>`;

new Belfry().subscribe('date', ({ data }) => {
  find('date').textContent = String(data);
});
