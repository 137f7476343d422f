// Starts Swagger UI on the document, which `SPEC` holds, in the colors that the reader's machine asks for.

const dark = matchMedia("(prefers-color-scheme: dark)");
const color = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", color);
color();

SwaggerUIBundle({
  dom_id: "#ui",
  spec: SPEC,
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  syntaxHighlight: { theme: "tomorrow-night" },
});
