// The little that only a browser can do.
window.dashboard = {
  // Keeps a list that grows at its end in view, unless somebody has scrolled up to read.
  follow(element) {
    if (element && !element.dataset.following) {
      element.dataset.following = 'yes';
      let atEnd = true;
      element.addEventListener('scroll', () => {
        atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 40;
      });
      new MutationObserver(() => { if (atEnd) element.scrollTop = element.scrollHeight; })
        .observe(element, { childList: true, subtree: true, characterData: true });
      element.scrollTop = element.scrollHeight;
    }
  },
};
