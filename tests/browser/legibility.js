// How well the texts of a page can be read.

/**
 * The visible texts of the page whose color has a lower contrast to what is behind it than `least`, as WCAG 2 measures
 * contrast: 1 to 21. The elements have plain colors as their grounds, no pictures.
 */
export async function paleTexts(page, least) {
  return page.evaluate((least) => {
    const color = (text) => {
      const [red, green, blue, alpha = 1] = text.match(/[\d.]+/g).map(Number);
      return { rgb: [red, green, blue], alpha };
    };
    const over = (ground, { rgb, alpha }) => rgb.map((value, n) => value * alpha + ground[n] * (1 - alpha));
    const behind = (element) => {
      if (!element) return [255, 255, 255];
      return over(behind(element.parentElement), color(getComputedStyle(element).backgroundColor));
    };
    const luminance = (rgb) => {
      const linear = rgb.map((value) => value / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
      return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };

    const pale = [];
    let seen = 0;
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const text = texts.currentNode.textContent.trim();
      const element = texts.currentNode.parentElement;
      if (!text || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
      seen += 1;
      const ground = behind(element);
      const [low, high] = [ground, over(ground, color(getComputedStyle(element).color))].map(luminance).sort((a, b) => a - b);
      const contrast = (high + 0.05) / (low + 0.05);
      if (contrast < least) pale.push(`${contrast.toFixed(2)} ${element.className}: ${text.slice(0, 40)}`);
    }
    if (seen < 20) throw new Error(`there are but ${seen} texts`);
    return pale;
  }, least);
}
