// What a visitor chooses, drops or pastes on the tab Detect, on its way to gradio's field. By itself that takes only what
// the browser calls an image, which a HEIC or a file without a suffix is not; the server looks at the bytes.
(words => {
  const field = () => document.querySelector('#upload');
  const here = () => !document.querySelector('[role=tab][aria-selected=true]:not([data-tab-id=detect])');
  const note = text => document.querySelector('#upload-note p')?.replaceChildren(text);
  const given = file => {
    const data = new DataTransfer();
    if (file) data.items.add(file);
    return data;
  };

  // The file as the field takes it; null where a note says why not. Of a film or a document the beginning is enough:
  // the server tells by it what to do, and all of it would take long to send.
  function prepared(files) {
    const file = files.find(one => one.type.startsWith('image/')) ?? files[0];
    const picture = /^(image\/|$)/.test(file.type), large = file.size > words.max_bytes;
    note(large && picture ? words.too_large : files.length > 1 ? words.several : '');
    if (large && picture) return null;
    const watching = setInterval(() => {
      const arrived = field()?.querySelector('.image-frame img');
      if (!arrived && field()?.querySelector('.uploading')) return;
      clearInterval(watching);
      if (!arrived) note(words.unsent);
    }, 500);
    if (file.type.startsWith('image/')) return file;
    return new File([large ? file.slice(0, 4096) : file], file.name, {type: 'image/unknown'});
  }

  // Waits for the field as long as the page is building itself, and 30 seconds more for it to be free.
  function give(file, tries = 120) {
    const input = field()?.querySelector('input[type=file]');
    if (!here()) return;
    if (input && field().offsetParent !== null) {
      input.files = given(file).files;
      input.dispatchEvent(new Event('change', {bubbles: true}));
    } else if (tries) {
      setTimeout(give, 250, file, tries - !!field());
    }
  }

  // Whether the text was the address of a picture, or a picture itself.
  function read(text) {
    text = text.trim();
    const [, type, data] = /^data:(image\/[^,;]+);base64,(\S+)$/.exec(text) ?? [];
    if (data) {
      give(new File([Uint8Array.from(atob(data), letter => letter.charCodeAt(0))], 'pasted', {type}));
    } else if (/^([a-z][a-z0-9+.-]*:\/\/|www\.)\S+$/i.test(text)) {
      note(words.address);
    } else {
      return false;
    }
    return true;
  }

  document.addEventListener('change', event => {
    const input = event.target;
    if (!input.matches?.('#upload input[type=file]') || !input.files.length) return;
    const file = prepared([...input.files]);
    if (!file) event.stopPropagation();
    else if (file !== input.files[0]) input.files = given(file).files;
  }, true);

  let passed;
  document.addEventListener('drop', event => {
    if (event === passed || !event.dataTransfer || !event.target.closest?.('#upload')) return;
    event.preventDefault();
    event.stopPropagation();
    const {dataTransfer: data, target} = event, files = [...data.files];
    const text = data.getData('text/uri-list') || data.getData('text');
    const dataTransfer = given(files.length ? prepared(files) : null);
    passed = new DragEvent('drop', {bubbles: true, cancelable: true, dataTransfer});
    target.dispatchEvent(passed);  // where nothing is left of it, the field is to know that nothing hovers any more
    if (!files.length) read(text);
  }, true);

  document.addEventListener('paste', event => {
    const {clipboardData: data, target} = event;
    if (!data || !here() || target.closest?.('input, textarea')) return;
    const file = [...data.files].find(one => one.type.startsWith('image/')) ?? data.files[0];
    if (file) give(file);
    if (file || read(data.getData('text'))) event.preventDefault();
  });

  document.addEventListener('click', async event => {
    const input = event.target.closest?.('#upload')?.querySelector('input[type=file]');
    if (input) input.accept = words.accept;  // or the list to choose from hides what the browser does not know
    // gradio's way of pasting leaves a field that takes no files, and says nothing where there is no picture.
    if (!event.target.closest?.('#upload [aria-label="Paste from clipboard"]')) return;
    event.stopPropagation();
    try {
      for (const item of await navigator.clipboard.read()) {
        const type = item.types.find(one => one.startsWith('image/'));
        if (type) return give(new File([await item.getType(type)], 'pasted', {type}));
        const text = item.types.includes('text/plain') && await item.getType('text/plain');
        if (text && read(await text.text())) return;
      }
      note(words.nothing);
    } catch {
      note(words.not_allowed);
    }
  }, true);
})(WORDS);
