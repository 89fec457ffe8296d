// No client at all: what an event loop does by itself.

export const ways = {
  nobody(_url, _options, face) {
    face.onOpen({ send() {}, terminate() {} });
    return new Promise(() => {});
  },
};
