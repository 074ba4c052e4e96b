// Keeps the site: after the first visit it works without a network.  A new version takes over when
// no page of the old one is open.

const SITE = {{site}};
const NAME = `rudp-playground-${SITE.version}`;

self.addEventListener("install", (event) => {
  const files = ["./", ...Object.keys(SITE.files)];
  const requests = files.map((each) => new Request(each, { cache: "no-cache" }));
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(requests)));
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    const scope = new URL(self.registration.scope).pathname;
    await caches.open(NAME).then((cache) => cache.put(`${scope}.kept`, new Response(SITE.version)));
    for (const each of await caches.keys()) {
      // Another site of the same origin has a cache of its own.
      const isOurs = each.startsWith("rudp-playground-") && each !== NAME && (await (await caches.open(each)).match(`${scope}.kept`));
      if (isOurs) await caches.delete(each);
    }
    await self.clients.claim();
  })());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(self.registration.scope)) return;
  event.respondWith((async () => {
    const cache = await caches.open(NAME);
    return (await cache.match(request, { ignoreSearch: true })) ?? fetch(request);
  })());
});
