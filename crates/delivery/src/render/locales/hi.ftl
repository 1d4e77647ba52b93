# Hindi

code-subject = { $code } आपका { $app } कोड है
code-subject-unnamed = { $code } आपका कोड है
code-heading = आपका { $app } कोड
code-heading-unnamed = आपका कोड
code-text = आपका { $app } कोड { $code } है
code-text-unnamed = आपका कोड { $code } है
code-expiry = यह केवल एक बार काम करता है और { $lifetime } में समाप्त हो जाएगा।
code-link = या लॉग इन करने के लिए यह लिंक खोलें:
code-button = लॉग इन करें
code-warning = यह कोड किसी को न बताएं। अगर आपने इसे नहीं मांगा है, तो आप इस संदेश को अनदेखा कर सकते हैं।

login-subject = { $app } में लॉग इन करें
login-subject-unnamed = लॉग इन करें
login-link = लॉग इन करने के लिए यह लिंक उसी डिवाइस पर खोलें, जिस पर आपने इसे मांगा था:
login-copy = लॉग इन करने के लिए यह टेक्स्ट वहां कॉपी करें, जहां आपने इसे मांगा था:
login-button = लॉग इन करें
login-warning = यह संदेश किसी को न दें। अगर आपने इसे नहीं मांगा है, तो आप इसे अनदेखा कर सकते हैं।

recovery-subject = अपना { $app } खाता वापस पाएं
recovery-subject-unnamed = अपना खाता वापस पाएं
recovery-link = अपना खाता वापस पाने के लिए यह लिंक उसी डिवाइस पर खोलें, जिस पर आपने इसे मांगा था:
recovery-copy = अपना खाता वापस पाने के लिए यह टेक्स्ट वहां कॉपी करें, जहां आपने इसे मांगा था:
recovery-button = खाता वापस पाएं
recovery-warning = यह संदेश किसी को न दें। अगर आपने इसे नहीं मांगा है, तो हो सकता है कि कोई और आपके खाते में घुसने की कोशिश कर रहा हो; आप इस संदेश को अनदेखा कर सकते हैं।

bundle-expiry = यह { $lifetime } में समाप्त हो जाएगा।

sms = { $app }: आपका कोड { $code } है
sms-unnamed = आपका कोड { $code } है
sms-full = { sms }। { $lifetime } तक मान्य।
sms-full-unnamed = { sms-unnamed }। { $lifetime } तक मान्य।

minutes = { $number } मिनट
hours = { $number } घंटे
days = { $number } दिन
