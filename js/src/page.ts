/** Shows the explanations of a page that has no kernel and no notebook. */

import widget from "./index";
import { eachPlace, replaceBy } from "./live";
import { parseState } from "./model/standalone";

/** The view's style sheet; set by the build. */
declare const STYLES: string;

eachPlace("[data-fpattr]", (place, state) => {
  replaceBy(place, widget(), parseState(state), STYLES);
});
