"""A floor under the embedded classifiers, so that a broken one cannot land: texts made for this test, as served."""

from __future__ import annotations

from contextlib import closing

import pytest

from llm_core.engine import create_engine
from llm_core.settings import Settings
from llm_core.tasks import find_task

pytestmark = pytest.mark.real_weights

TEXTS = {
    "offensive": {
        "not-offensive": (
            "The bus leaves at seven, see you there!",
            "Happy birthday to my wonderful sister",
            "I disagree with the new parking rules, and here is why",
            "Does anyone have a spare ticket for tonight?",
            "The library has extended its opening hours",
            "What a lovely sunset over the harbour",
        ),
        "offensive": (
            "You are such an idiot, shut up",
            "What a bunch of stupid morons they are",
            "This guy is a worthless piece of shit",
            "Get lost, you disgusting pig",
            "He is a damn liar and a pathetic loser",
            "Only an asshole would say that",
        ),
    },
    "emotion": {
        "anger": (
            "I am furious, they cancelled my order again and nobody even answers!",
            "How dare they treat people like this. I am so angry right now",
            "This makes my blood boil, absolute outrage",
        ),
        "joy": (
            "Best day ever, I can't stop smiling!",
            "So happy, we laughed until midnight. What a delightful evening",
            "Loving every minute of this cheerful little concert",
        ),
        "sadness": (
            "I feel so lonely and depressed today",
            "Our dog died last night and I can't stop crying",
            "So sad and heartbroken, nothing helps any more",
        ),
    },
    "trec": {
        "human": ("Who wrote the opera Carmen?", "Which president signed the treaty?", "Who discovered radium?"),
        "location": ("Where is the Gobi desert?", "What city has the largest harbour?", "What country borders Peru?"),
        "number": ("How many legs does a spider have?", "When did the war end?", "How far is it to the Moon?"),
        "description": ("What is photosynthesis?", "Why do cats purr?", "How does a telephone work?"),
        "abbreviation": ("What does NATO stand for?", "What is the abbreviation for kilogram?"),
    },
    "thucnews": {
        "entertainment": (
            "新片上映首日票房破亿 导演携主演亮相首映礼",
            "歌手演唱会门票三分钟售罄",
            "女演员晒婚纱照宣布喜讯",
        ),
        "game": ("网游新资料片下周公测 新职业曝光", "玩家组队通关最高难度副本", "公会战活动开启 登录领取稀有坐骑"),
        "science": ("新款手机配备双摄像头 售价两千元起", "笔记本电脑促销 四核处理器仅售三千九", "科学家发现新的行星"),
        "society": ("男子深夜翻墙盗窃被邻居当场抓获", "老人公交车上晕倒 司机直接开往医院", "女子网购被骗十万元报警"),
        "sports": ("国足一球小胜晋级亚洲杯八强", "火箭主场逆转湖人 姚明得二十八分", "女排三比零横扫对手提前出线"),
        "politics": ("外交部发言人就两国关系答记者问", "总统会见来访的外国总理", "省委召开会议部署防汛工作"),
        "education": ("今年高考报名下月开始 考生须知", "考研英语阅读理解答题技巧", "公务员考试面试名单公布"),
        "stocks": ("沪指收盘下跌百分之二 银行股领跌", "两市成交量萎缩 地产股逆市走强", "公司股票明日复牌 拟定向增发"),
        "finance": ("央行上调存款准备金率", "基金经理看好下半年债券市场", "银行理财产品收益率上升"),
        "realty": ("新盘开盘均价每平米两万元 三居室热销", "北京二手房成交量环比下降", "别墅项目推出精装修样板间"),
    },
}
FLOOR = 0.75
"""Share of right labels; the shipped models' is higher."""


@pytest.mark.parametrize("label_set", TEXTS)
def test_the_embedded_classifiers_are_above_the_floor(label_set: str, offline_settings: Settings) -> None:
    task, asked = find_task("classify"), [(t, label) for label, texts in TEXTS[label_set].items() for t in texts]
    with closing(create_engine(offline_settings)) as engine:
        requests = [task.request_type.parse({"text": text, "label_set": label_set}) for text, _ in asked]
        found = [result.label for result in engine.run_many(task, requests)]
    wrong = [(text, label, got) for (text, label), got in zip(asked, found, strict=True) if got != label]
    assert len(wrong) <= (1 - FLOOR) * len(asked), wrong


REVIEWS = {
    "positive": (
        "房间很干净，服务员也特别热情，下次还住这里。",
        "味道非常好，送餐速度也快，推荐！",
        "手机很好用，屏幕清晰，物超所值。",
        "书的内容很精彩，一口气就读完了。",
        "质量不错，穿着舒服，尺码也合适。",
        "位置方便，早餐丰富，非常满意。",
    ),
    "negative": (
        "房间又脏又吵，态度恶劣，再也不来了。",
        "等了两个小时，饭都凉了，太失望了。",
        "用了三天就坏了，客服也不理人，垃圾。",
        "苹果全是烂的，根本没法吃。",
        "做工粗糙，有很大的味道，要求退货。",
        "这本书错字连篇，浪费时间和钱。",
    ),
}


def test_chinese_reviews_are_judged_by_the_embedded_model_for_chinese(offline_settings: Settings) -> None:
    task, asked = find_task("sentiment"), [(text, label) for label, texts in REVIEWS.items() for text in texts]
    with closing(create_engine(offline_settings)) as engine:
        answers = [engine.answer(task, task.request_type.parse({"text": text})) for text, _ in asked]
    assert {answer.stats.model_id for answer in answers} == {"sentiment-zh"}
    wrong = [text for (text, label), answer in zip(asked, answers, strict=True) if answer.result.label != label]
    assert len(wrong) <= 1, wrong
